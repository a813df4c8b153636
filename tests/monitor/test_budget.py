"""The time budget: what may be measured, and when."""

import pytest

from qdiverge.monitor.budget import Budget


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


def test_looks_take_a_fifth_of_the_allowance_in_the_long_run():
    clock = Clock()
    budget = Budget(0.05, clock)
    due, seconds = 1.0, 0.0
    for update in range(1, 10_001):
        clock.now += 0.01  # the run's own update
        if update >= due:
            with budget.charge("look"):
                clock.now += 0.01
            seconds += 0.01
            due = update + budget.looks_apart(update)
    assert seconds == pytest.approx(0.01 * 100, rel=0.05)


@pytest.mark.parametrize("each", [0.0, 0.0001, 0.0003])
def test_all_that_wants_to_be_done_together_stays_within_the_allowance(each):
    """Each as often as it may, calls of 0, 1 and 3 %: in the end 5 %, whatever came when."""
    clock, num = Clock(), 100_000
    budget = Budget(0.05, clock)
    budget.length, update, next_look = num, 0, 0.0
    budget.num_updates = lambda: update
    for update in range(1, num + 1):
        clock.now += 0.01 + each  # the run's own update
        budget.calls += each
        if update >= next_look:
            with budget.charge("look"):
                clock.now += 0.002
            next_look = update + budget.looks_apart(update)
        if update % 100 == 0 and (steps := int(budget.steps_ahead(update))) > 0:
            with budget.charge("foresight"):
                clock.now += 0.01 * steps
        if budget.allows_audit():
            with budget.charge("audit"):
                clock.now += 0.03
        for tier, cost in (("light", 0.005), ("standard", 0.1), ("full", 0.5)):
            if budget.allows(tier):
                with budget.charge(tier):
                    clock.now += cost
    assert 0.045 < budget.overhead <= 0.0515


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


def test_without_a_limit_everything_is_allowed():
    clock = Clock()
    budget = Budget(None, clock)
    with budget.charge("full"):
        clock.now += 1000.0
    assert budget.allows("full")
