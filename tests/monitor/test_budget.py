"""The time budget: what may be measured, and when."""

import pytest

from qdiverge.monitor.budget import LIGHT_SHARE, LIGHT_SHARE_ALONE, Budget


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_the_budget_holds_over_a_long_run(share):
    clock = Clock()
    budget = Budget(share, clock)
    measured = 0
    for _ in range(10_000):
        clock.now += 0.01  # the run's own update
        if budget.allows("standard"):
            measured += 1
            with budget.charge("standard"):
                clock.now += 0.1
    assert budget.overhead <= share + 0.1 / 100
    assert measured >= 0.9 * share * 100 / 0.1  # and the allowance is used


def test_light_measurements_leave_half_of_the_allowance_to_the_others():
    clock = Clock()
    budget = Budget(0.1, clock)
    count = {"light": 0, "standard": 0}
    for _ in range(10_000):
        clock.now += 0.01
        for tier, cost in (("light", 0.005), ("standard", 0.1)):
            if budget.allows(tier):
                count[tier] += 1
                with budget.charge(tier):
                    clock.now += cost
    assert count["light"] * 0.005 == pytest.approx(0.05 * 100, rel=0.02)
    assert count["standard"] * 0.1 == pytest.approx(0.05 * 100, rel=0.05)


@pytest.mark.parametrize("each", [0.0001, 0.02])
def test_calls_that_measure_nothing_are_paid_first(each):
    """1 %, then 200 % of the run's own time: the measuring itself keeps a quarter of its 5 %."""
    clock = Clock()
    budget = Budget(0.05, clock)
    spent = 0.0
    for _ in range(10_000):
        clock.now += 0.01  # the run's own update: 100 s
        clock.now += each
        budget.calls += each
        if budget.allows("full"):
            with budget.charge("full"):
                clock.now += 0.1
                spent += 0.1
    allowed = max(0.05 * 100 - 10_000 * each, 0.25 * 0.05 * 100)
    assert spent == pytest.approx(allowed, abs=0.11)
    assert budget.overhead == pytest.approx((spent + 10_000 * each) / 100)


@pytest.mark.parametrize("length", [None, 2_000])
@pytest.mark.parametrize("light_share", [LIGHT_SHARE, LIGHT_SHARE_ALONE])
def test_a_run_of_seconds_pays_no_more_than_its_share(length, light_share):
    """All that is set up, done once or at once: 2,000 updates of 2 ms."""
    clock, made = Clock(), 0
    budget = Budget(0.05, clock, light_share, lambda: made, lambda: length)
    costs = {"light": 0.004, "standard": 0.02, "look": 1e-4, "foresight": 0.05, "audit": 0.004}

    def spend(tier):
        with budget.charge(tier):
            clock.now += costs[tier] * (
                2 if tier in ("light", "standard") and tier not in seen else 1
            )
        seen.append(tier)

    seen, look_due = [], 1
    for update in range(1, 2_001):
        made = update
        clock.now += 0.002
        if update >= look_due:
            spend("look")
            look_due = update + 1 + budget.wait_for_look()
        if update % 25 == 0:
            for tier in ("light", "standard") if light_share == LIGHT_SHARE else ("light",):
                if budget.allows(tier):
                    spend(tier)
        if update in (8, 128, 512, 1_900) and budget.steps_ahead() * 0.002 > costs["foresight"]:
            spend("foresight")
        if budget.allows_audit() and update % 500 == 0:
            spend("audit")
    share = 0.05 * (light_share if light_share == LIGHT_SHARE_ALONE else 1.0)
    assert budget.overhead <= share + 0.004 / 4.0
    assert {"light", "look"} <= set(seen)


def test_copies_have_time_as_the_run_grows_where_nobody_says_its_length():
    clock, made = Clock(), 0
    unknown = Budget(0.05, clock, num_updates=lambda: made)
    known = Budget(0.05, clock, num_updates=lambda: made, length=lambda: 10_000)
    clock.now, made = 0.1, 10
    assert unknown.steps_ahead() == pytest.approx(0.025 * 200)  # two seconds of it
    clock.now, made = 4.0, 400
    assert unknown.steps_ahead() == pytest.approx(0.025 * 400)
    assert known.steps_ahead() == pytest.approx(0.025 * 10_000)
    with known.charge("foresight"):
        clock.now += 0.5  # the first time counts as well
    assert known.steps_ahead() == pytest.approx(0.025 * 10_000 - 50)


def test_without_a_limit_everything_is_allowed():
    clock = Clock()
    budget = Budget(None, clock)
    with budget.charge("full"):
        clock.now += 1000.0
    assert budget.allows("full")
