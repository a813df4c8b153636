"""When copies run ahead, and of how many updates: in the allowance, and to the end of the run."""

import math

import pytest

from qdiverge.monitor.budget import FORESIGHT_SHARE, LIGHT_SHARE_ALONE, Budget
from qdiverge.monitor.foresight.dates import Dates
from qdiverge.monitor.foresight.how_far import STACKED
from qdiverge.monitor.foresight.timetable import Plan, exact_updates, plan_at
from tests.monitor.test_budget import Clock

UPDATE = 1e-3  # seconds of one of the run
LENGTH = 100_000


def looks_of(source, *, told=LENGTH, share=0.05, light_share=0.5, seen_at=()):
    """Play a run whose copies cost what they are taken to; return update → copied ones, seconds."""
    clock = Clock()
    budget = Budget(share, clock, light_share)
    budget.length = told
    dates, looks, update = Dates(8 if source == "batches" else 1, budget), {}, 0
    events = sorted(seen_at)
    while True:
        now = min(dates.own, *events, LENGTH)
        clock.now += UPDATE * (now - update)
        update = now
        if update >= LENGTH:
            return looks, budget._spent["foresight"]
        if events and update >= events[0]:
            dates.soon(events.pop(0), wait=0)
        if update < dates.own or not dates.have_time(update, told, source):
            continue
        dates.after(update, source)
        whole = plan_at(update, told, source)
        if source == "live":
            whole = Plan(exact_updates(update, told, source))
        each = 1.0 if source == "live" else STACKED
        if (plan := whole.cut(dates.steps(update) / each)) is not None:
            looks[update] = plan.num_steps
            with budget.charge("foresight"):
                clock.now += UPDATE * each * plan.num_steps


@pytest.mark.parametrize("source", ["batches", "replay", "fixed data", "live"])
@pytest.mark.parametrize("light_share", [0.5, LIGHT_SHARE_ALONE])
def test_looks_keep_within_their_part_of_the_whole_run(source, light_share):
    looks, seconds = looks_of(source, light_share=light_share, seen_at=(60_000,))
    part = light_share if light_share == LIGHT_SHARE_ALONE else 1.0
    assert seconds <= FORESIGHT_SHARE * 0.05 * part * LENGTH * UPDATE
    assert min(looks) <= 8


def test_looks_on_the_last_batches_go_on_to_the_end_of_a_long_run():
    """All was spent by update 8,192, or 128 of the light tier."""
    looks, _ = looks_of("batches")
    assert {8: 100, 32: 100, 128: 128, 512: 500}.items() <= looks.items()
    assert sum(n for update, n in looks.items() if update > 8_192) >= 150


@pytest.mark.parametrize(("light_share", "fewest"), [(0.5, 200), (LIGHT_SHARE_ALONE, 30)])
def test_what_grows_late_is_looked_at(light_share, fewest):
    looks, _ = looks_of("batches", light_share=light_share, seen_at=(60_000,))
    assert looks[60_000] >= fewest


def test_where_nobody_says_how_long_a_run_is_its_allowance_grows_with_it():
    """Nothing was asked between updates 32 and 32,768."""
    looks, _ = looks_of("batches", told=None)
    assert any(10_000 < update < 32_768 for update in looks)


def test_a_clock_that_has_not_moved_divides_nothing():
    clock = Clock()
    budget = Budget(0.05, clock)
    assert math.isfinite(budget.steps_ahead(0))
