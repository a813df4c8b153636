from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qdiverge.report.comparison import compare
from qdiverge.report.verdict import judge
from qdiverge.runs import AlarmEvent, Run, Series

STEPS = np.arange(1, 11) * 100


def run(values, alarms=(), name="x", status="finished", discount=0.99, **series):
    """A run whose max |Q| is ``values`` at steps 100, 200, …"""
    logged = {"diverge/q_abs_max": values} | {f"diverge/{k}": v for k, v in series.items()}
    return Run(
        folder=Path(name),
        info={
            "name": name,
            "status": status,
            "step_unit": "agent steps",
            "config": {} if discount is None else {"discount": discount},
        },
        series={
            key: Series(STEPS[: len(v)], np.array(v, dtype=np.float64))
            for key, v in logged.items()
            if v is not None
        },
        alarms=tuple(AlarmEvent(step, step, "growth", "it grows") for step in alarms),
    )


def test_small_values_and_no_alarm_are_healthy():
    verdict = judge(run([1.0, 2.0, 5.0]))
    assert (verdict.health, verdict.lead, verdict.largest) == ("healthy", None, 5.0)
    assert "5 % of the soft-divergence bound of 100" in verdict.sentences[0]


def test_an_alarm_within_the_bound_is_a_warning():
    verdict = judge(run([1.0, 2.0], alarms=[200]))
    assert (verdict.health, verdict.alarm_step, verdict.bound_step) == ("warned", 200, None)


def test_an_alarm_before_the_bound_has_a_lead():
    verdict = judge(run([1.0, 50.0, 99.0, 101.0, 1e9], alarms=[500, 200]))
    assert (verdict.health, verdict.alarm_step, verdict.bound_step) == ("diverged", 200, 400)
    assert verdict.lead == 200
    assert "200 agent steps before the bound was passed" in verdict.sentences[1]
    assert "passed the soft-divergence bound of 100 at 400 agent steps" in verdict.sentences[0]


@pytest.mark.parametrize(("alarm", "words"), [(400, "just when"), (700, "300 agent steps after")])
def test_a_late_alarm_is_called_late(alarm, words):
    verdict = judge(run([1.0, 2.0, 3.0, 101.0], alarms=[alarm]))
    assert verdict.headline == "Diverged"
    assert words in verdict.sentences[1]


def test_exactly_the_bound_is_within_it():
    assert judge(run([1 / (1 - 0.99)], soft_divergence_bound=[1 / (1 - 0.99)])).health == "healthy"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_divergence(bad):
    verdict = judge(run([1.0, 2.0, bad, bad], alarms=[100]))
    assert (verdict.health, verdict.non_finite_step) == ("diverged", 300)
    assert (verdict.bound_step, verdict.lead) == (300 if bad == np.inf else None, 200)


def test_nothing_but_nan_is_divergence_not_silence():
    verdict = judge(run([np.nan, np.nan]))
    assert (verdict.health, verdict.non_finite_step) == ("diverged", 100)


def test_undefined_first_values_are_no_divergence():
    assert judge(run([np.nan, 1.0, 2.0])).health == "healthy"


def test_a_return_below_the_bound_is_told():
    assert "at the end it was back within it, at 3" in judge(run([1.0, 200.0, 3.0])).sentences[0]


def test_without_q_values_or_bound_there_is_no_verdict():
    assert judge(run(None)).health == "unknown"
    assert judge(run([1e9], discount=None)).health == "unknown"
    assert "no bound" in judge(run([1e9], discount=None)).sentences[0]


def test_the_logged_bound_wins_over_the_configured_discount():
    assert judge(run([11.0], soft_divergence_bound=[10.0])).health == "diverged"


def test_a_bound_that_grows_with_the_rewards_is_held_at_its_time():
    grows = {"soft_divergence_bound": [10.0, 10.0, 1000.0, 1000.0]}
    assert judge(run([9.0, 11.0, 500.0, 500.0], **grows)).bound_step == 200
    late = judge(run([9.0, 9.0, 500.0, 5000.0], **grows))
    assert late.bound_step == 400
    assert "bound of 1,000 at 400 agent steps" in late.sentences[0]


def test_the_row_condition_is_set_against_regression():
    both_fail = judge(run([1.0], fraction_holding=[0.0], fraction_holding_regression=[0.05]))
    assert "no sign of divergence" in both_fail.remarks[0]
    gap = judge(run([1.0], fraction_holding=[0.1], fraction_holding_regression=[0.9]))
    assert "what bootstrapping costs" in gap.remarks[0]
    alone = judge(run([1.0], fraction_holding=[0.1]))
    assert "not necessary" in alone.remarks[0]
    assert judge(run([1.0])).remarks == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [("running", "killed"), ("interrupted", "interrupted"), ("alarm", "stopped by its alarm")],
)
def test_an_unusual_end_is_told(status, words):
    assert words in judge(run([1.0], status=status)).remarks[-1]


def test_two_runs_are_compared_with_the_lead_and_their_settings():
    good = run([1.0], name="good", discount=0.9)
    bad = run([1.0, 2.0, 200.0], name="bad", alarms=[100])
    text = compare([good, bad], [judge(good), judge(bad)])
    assert text == (
        "“good” kept its Q-values in bounds; “bad” diverged, 200 agent steps after its first alarm."
        " They differ in discount (0.9 against 0.99)."
    )
    assert compare([good], [judge(good)]) == ""


def test_runs_of_one_kind_are_counted():
    def outcome(*runs):
        return compare(runs, [judge(r) for r in runs]).partition(".")[0]

    good, bad = run([1.0]), run([1e9])
    assert outcome(good, good) == "Neither run diverged"
    assert outcome(bad, bad) == "Both runs diverged"
    assert outcome(good, bad, bad) == "2 of 3 runs diverged: “x”, “x”"


def test_only_alarms_of_divergence_have_a_lead():
    told = AlarmEvent(100, 1, "terminals_bootstrapped", "Is (1 − done) missing?", "loop")
    noted = AlarmEvent(100, 1, "dead_units", "Most units are silent.", "condition")
    diverged = replace(
        run([1, 2, 300]), alarms=(told, noted, AlarmEvent(200, 2, "growth", "it grows"))
    )
    verdict = judge(diverged)
    assert (verdict.alarm_step, verdict.lead) == (200, 100)
    words = " ".join(verdict.sentences)
    assert "The audits of its loop say: Is (1 − done) missing?" in words
    assert "A note on the network came at 100 agent steps: dead units." in words
    alone = judge(replace(run([1, 2, 3]), alarms=(told,)))
    assert (alone.health, alone.alarm_step) == ("loop", None)
    assert alone.headline == "Loop to be checked, and within its bound"
    assert judge(replace(run([1, 2, 3]), alarms=(noted,))).headline == "Healthy"


def test_what_td_errors_excuse_is_no_divergence():
    limits = {"soft_divergence_bound": [100.0] * 3, "divergence_limit": [110.0, 110.0, 125.0]}
    assert judge(run([90.0, 104.0, 120.0], **limits)).health == "healthy"
    late = judge(run([90.0, 112.0, 120.0], **limits))
    assert (late.health, late.bound_step) == ("diverged", 200)
    assert "bound of 100 at 200 agent steps" in late.sentences[0]
    beside = judge(run([90.0, 90.0, 90.0], batch_q_abs_max=[90.0, 90.0, 1e6], **limits))
    assert (beside.health, beside.bound_step, beside.largest) == ("diverged", 300, 1e6)


def test_without_a_discount_to_bound_it_growth_is_held_against_its_limit():
    limits = {"soft_divergence_bound": [np.inf] * 3, "divergence_limit": [10.0, 20.0, 30.0]}
    sound = judge(run([5.0, 6.0, 7.0], discount=1.0, **limits))
    assert sound.health == "healthy"
    assert "limit that stands in for a bound at γ = 1" in sound.sentences[0]
    assert judge(run([5.0, 21.0, 70.0], discount=1.0, **limits)).bound_step == 200
    unknown = judge(run([5.0, 6.0], discount=1.0, soft_divergence_bound=[np.inf] * 2))
    assert unknown.health == "unknown"
    assert "γ = 1 bounds no return" in unknown.sentences[0]
