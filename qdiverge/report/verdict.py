"""What a run's numbers say, in a few sentences that a person understands."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from qdiverge.report.facts import (
    SIZES,
    bounds_of,
    crossing_of,
    discount_of,
    first_non_finite,
    last_finite,
    step_unit,
)
from qdiverge.report.numbers import human, percent, whole
from qdiverge.runs import MEANING, AlarmEvent, Run, status_of
from qdiverge.runs.judgement import Health, Judgement, judge

MUCH_LESS = 1 / 2  # of the bound
FAR = 2.0  # times what can be earned
_WATCHED = (*SIZES, "diverge/q_mean", "losses/td_loss", "diverge/td_error_abs_max")


@dataclass(frozen=True)
class Verdict:
    """The verdict on one run.

    Attributes:
        name: Of the run.
        health: See :mod:`qdiverge.runs.judgement`.
        headline: The verdict in a few words.
        sentences: How large Q became, and whether an alarm came before.
        remarks: What the row condition says, and how the run ended.
        alarm_step: Step of the first alarm of divergence.
        bound_step: First step at which max |Q| lay above r_max/(1−γ).
        non_finite_step: First step at which a watched value was no finite number.
        lead: Steps from the first alarm to the first of the two events above; negative: too late.
        largest: The largest finite max |Q|, NaN where none was logged.
    """

    name: str
    health: Health
    headline: str
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]
    alarm_step: int | None
    bound_step: int | None
    non_finite_step: int | None
    lead: int | None
    largest: float


def verdict_on(run: Run) -> Verdict:
    """Return the verdict on a run, from its logged numbers alone."""
    crossing = crossing_of(run)
    bound_step = None if crossing is None else crossing[0]
    non_finite_step = min(
        (step for key in _WATCHED if (step := first_non_finite(run.series.get(key))) is not None),
        default=None,
    )
    logged = [run.series[key].values for key in SIZES if key in run.series]
    finite = np.concatenate([values[np.isfinite(values)] for values in logged or [np.array([])]])
    largest = float(finite.max()) if finite.size else float("nan")
    judgement = judge(
        run.alarms,
        passed_steps=(bound_step, non_finite_step),
        is_measured=bool(finite.size),
        has_limit=bounds_of(run) is not None,
        is_otherwise=bool(run.info.get("measured_otherwise")),
    )
    headline = judgement.headline
    has_crashed = status_of(run.info) == "crashed"
    if has_crashed:
        headline += "; then the run crashed"
    sentences = (
        _size(run, largest, crossing, non_finite_step),
        _warning(run, judgement, passed=bound_step is not None),
        _notes(run),
        _otherwise(run),
        _ending(run) if has_crashed else "",
    )
    remarks = (_row_condition(run), "" if has_crashed else _ending(run), *run.damage)
    return Verdict(
        name=run.name,
        health=judgement.health,
        headline=headline,
        sentences=tuple(sentence for sentence in sentences if sentence),
        remarks=tuple(remark for remark in remarks if remark),
        alarm_step=judgement.alarm_step,
        bound_step=bound_step,
        non_finite_step=non_finite_step,
        lead=judgement.lead,
        largest=largest,
    )


def _size(
    run: Run, largest: float, crossing: tuple[int, float] | None, non_finite_step: int | None
) -> str:
    unit, bounds = step_unit(run), bounds_of(run)
    if np.isnan(largest):
        if non_finite_step is not None:
            return f"Every logged |Q| was NaN or infinite, from {whole(non_finite_step)} {unit} on."
        return "No Q-value was logged, so nothing can be said about divergence."
    parts = f"The largest |Q| was {human(largest)}"
    is_bounded = discount_of(run) != 1
    named = "soft-divergence bound" if is_bounded else "limit that stands in for a bound at γ = 1,"
    if bounds is None and not is_bounded:
        parts += "; γ = 1 bounds no return, so there is nothing to hold it against"
    elif bounds is None:
        parts += "; without a discount in the settings there is no bound to hold it against"
    elif crossing is None:
        bound = float(bounds.values[-1])
        share = percent(largest / bound).replace("< ", "less than ")
        parts += f", {share} of the {named} of {human(bound)}"
        parts += _earned(run, largest, bound)
    else:
        step, bound = crossing
        parts = f"|Q| passed the {named} of {human(bound)} at {whole(step)} {unit}"
        parts += f" and rose to {human(largest)}"
        last = run.series["diverge/q_abs_max"].values[-1]
        if np.isfinite(last) and last <= bounds.values[-1]:
            parts += f"; at the end it was back within it, at {human(last)}"
    if non_finite_step is not None:
        parts += f". From {whole(non_finite_step)} {unit} on some values were NaN or infinite"
    return parts + "."


def _earned(run: Run, largest: float, bound: float) -> str:
    """Say what the rewards as they came allow, where that is much less than the bound."""
    earned = last_finite(run.series.get("diverge/earned_scale"))
    if earned is None or not 0 < earned < MUCH_LESS * bound:
        return ""
    beyond = "; it is far beyond" if largest > FAR * earned else ""
    return (
        f"; mostly ends of episodes pay, so that no more than {human(earned)} can be earned{beyond}"
    )


def _warning(run: Run, judgement: Judgement, *, passed: bool) -> str:
    unit, alarm_step, lead = step_unit(run), judgement.alarm_step, judgement.lead
    if alarm_step is None:
        return "No alarm was raised." if lead is None else ""
    alarms = _of(run, "divergence")
    first = min(alarms, key=lambda alarm: alarm.step)
    rule = first.rule.replace("_", " ")
    text = f"The first alarm ({rule}) came at {whole(alarm_step)} {unit}"
    event = "the bound was passed" if passed else "the values stopped being finite"
    if lead is not None and lead > 0:
        text += f", {whole(lead)} {unit} before {event}"
    elif lead is not None:
        text += f", {whole(-lead)} {unit} after {event}" if lead else f", just when {event}"
    rules = Counter(alarm.rule.replace("_", " ") for alarm in alarms)
    if len(alarms) > 1:
        text += f"; {len(alarms)} alarms in all"
        text += (
            f" ({', '.join(f'{n} × {rule}' for rule, n in rules.most_common())})"
            if len(rules) > 1
            else ""
        )
    return text + "."


def _of(run: Run, kind: str) -> list[AlarmEvent]:
    return [alarm for alarm in run.alarms if alarm.kind == kind]


def _notes(run: Run) -> str:
    """Say what else a person should know: of the loop, and of what the network can tell apart."""
    findings, conditions = _of(run, "loop"), _of(run, "condition")
    parts = []
    if findings:
        message = min(findings, key=lambda alarm: alarm.update).message
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        parts.append(f"The audits of its loop say: {message}{more}")
    parts += [
        f"A note on the network came at {whole(alarm.step)} {step_unit(run)}: "
        f"{alarm.rule.replace('_', ' ')}."
        for alarm in conditions
    ]
    return " ".join(parts)


def _otherwise(run: Run) -> str:
    reason = str(run.info.get("measured_otherwise") or "")
    return f"{reason[:1].upper()}{reason[1:]}." if reason else ""


def _row_condition(run: Run) -> str:
    holding = last_finite(run.series.get("diverge/fraction_holding"))
    baseline = last_finite(run.series.get("diverge/fraction_holding_regression"))
    if holding is None:
        return ""
    text = f"Achiam’s row condition last held for {percent(holding)} of the rows"
    if baseline is None:
        return f"{text}. It is sufficient for the next update to contract, not necessary."
    text += (
        f", against {percent(baseline)} at γ = 0: regression with the same kernel, which"
        " bootstraps nothing and is there for comparison"
    )
    if baseline < 0.5:
        return f"{text}. Where even regression fails it, a failing row is no sign of divergence."
    if holding < 0.5 * baseline:
        return f"{text}. The gap is what bootstrapping costs."
    return f"{text}."


def _ending(run: Run) -> str:
    status = status_of(run.info)
    if status == "finished":
        return ""
    text = MEANING.get(status, f"The run ended as “{status}”.")
    if run.is_torn:
        text += " Its last line was cut off and is left out."
    if status in ("crashed", "interrupted"):
        text += (
            f" All that it had logged is shown, up to {whole(_last_step(run))} {step_unit(run)}."
        )
    return text


def _last_step(run: Run) -> int:
    return max((int(s.steps[-1]) for s in run.series.values() if len(s.steps)), default=0)
