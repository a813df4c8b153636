"""What a run's numbers say, in a few sentences that a person understands."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qdiverge.report.numbers import human, percent, whole
from qdiverge.runs import Run, Series

Health = Literal["healthy", "warned", "diverged", "unknown"]
_WATCHED = ("diverge/q_abs_max", "diverge/q_mean", "losses/td_loss", "diverge/td_error_abs_max")


@dataclass(frozen=True)
class Verdict:
    """The verdict on one run.

    Attributes:
        name: Of the run.
        health: "diverged": max |Q| passed its bound, or a value became NaN or infinite; "warned":
            an alarm and neither of these; "healthy": none of them; "unknown": no Q-value was logged.
        headline: The verdict in a few words.
        sentences: What it rests on.
        alarm_step: Step of the first alarm.
        bound_step: First step at which max |Q| lay above 1/(1−γ).
        non_finite_step: First step at which a watched value was no finite number.
        lead: Steps from the first alarm to the first of the two events above; negative: too late.
        largest: The largest finite max |Q|, NaN where none was logged.
    """

    name: str
    health: Health
    headline: str
    sentences: tuple[str, ...]
    alarm_step: int | None
    bound_step: int | None
    non_finite_step: int | None
    lead: int | None
    largest: float


def judge(run: Run) -> Verdict:
    """Return the verdict on a run, from its logged numbers alone."""
    size = run.series.get("diverge/q_abs_max")
    alarm_step = min((alarm.step for alarm in run.alarms), default=None)
    bound_step = first_above_bound(run)
    non_finite_step = min(
        (step for key in _WATCHED if (step := _first_non_finite(run.series.get(key))) is not None),
        default=None,
    )
    trouble = min((s for s in (bound_step, non_finite_step) if s is not None), default=None)
    lead = None if alarm_step is None or trouble is None else trouble - alarm_step
    finite = np.array([]) if size is None else size.values[np.isfinite(size.values)]
    largest = float(finite.max()) if finite.size else float("nan")
    health: Health = "healthy"
    if trouble is not None:
        health = "diverged"
    elif run.alarms:
        health = "warned"
    elif not finite.size:
        health = "unknown"
    headline = {
        "diverged": "Diverged, after a warning" if (lead or 0) > 0 else "Diverged",
        "warned": "Warned, and within its bound",
        "healthy": "Healthy",
        "unknown": "No verdict",
    }[health]
    sentences = (
        _size(run, largest, bound_step, non_finite_step),
        _warning(run, alarm_step, lead, bound_step is not None),
        _row_condition(run),
        _ending(run),
    )
    return Verdict(
        name=run.name,
        health=health,
        headline=headline,
        sentences=tuple(sentence for sentence in sentences if sentence),
        alarm_step=alarm_step,
        bound_step=bound_step,
        non_finite_step=non_finite_step,
        lead=lead,
        largest=largest,
    )


def compare(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> str:
    """Return one paragraph that sets the runs side by side; empty for a single run."""
    if len(runs) < 2:
        return ""
    unit = step_unit(runs[0])
    fell = [v for v in verdicts if v.health == "diverged"]
    stood = [v for v in verdicts if v.health != "diverged"]
    if not fell:
        outcome = f"None of the {len(runs)} runs diverged."
    elif not stood:
        outcome = f"All {len(runs)} runs diverged."
    elif len(runs) == 2:
        held = "kept its Q-values in bounds" if stood[0].health != "unknown" else "has no verdict"
        outcome = f"{stood[0].name} {held}; {fell[0].name} diverged."
    else:
        outcome = f"{len(fell)} of {len(runs)} runs diverged: {', '.join(v.name for v in fell)}."
    warned = [v.lead for v in fell if v.lead is not None and v.lead > 0]
    if len(fell) == 1 and warned:
        outcome = f"{outcome[:-1]}, {whole(warned[0])} {unit} after its first alarm."
    elif warned:
        outcome += (
            f" {len(warned)} of them had been warned, by {whole(min(warned))} {unit} or more."
        )
    return f"{outcome} {_differences(runs)}"


def first_above_bound(run: Run) -> int | None:
    """Return the first step with max |Q| > 1/(1−γ), the bound that was logged beside it.

    Infinity lies above every bound. Soft divergence as in van Hasselt et al. 2018
    (arXiv:1812.02648), for rewards within ±1.
    """
    size = run.series.get("diverge/q_abs_max")
    bound = bound_of(run)
    if size is None or bound is None:
        return None
    above = np.flatnonzero(size.values > bound)
    return int(size.steps[above[0]]) if above.size else None


def bound_of(run: Run) -> float | None:
    """Return 1/(1−γ) as logged, else from the configured discount; None where neither is known."""
    logged = run.series.get("diverge/soft_divergence_bound")
    if logged is not None and np.isfinite(logged.values).any():
        return float(logged.values[np.isfinite(logged.values)][-1])
    discount = discount_of(run)
    return 1 / (1 - discount) if discount is not None and discount < 1 else None


def discount_of(run: Run) -> float | None:
    """Return γ from the run's settings, None where it is not among them."""
    config = run.info.get("config")
    discount = config.get("discount") if isinstance(config, dict) else None
    return float(discount) if isinstance(discount, int | float) and 0 <= discount <= 1 else None


def step_unit(run: Run) -> str:
    """Return what the run's steps count."""
    return str(run.info.get("step_unit", "updates"))


def differing(runs: Sequence[Run]) -> list[str]:
    """Return the names of settings that are not the same in all runs."""
    configs = [c if isinstance(c := run.info.get("config"), dict) else {} for run in runs]
    names = dict.fromkeys(name for config in configs for name in config)
    return [n for n in names if any(c.get(n) != configs[0].get(n) for c in configs[1:])]


def _first_non_finite(series: Series | None) -> int | None:
    """The first step, after a finite value, at which there was none."""
    if series is None:
        return None
    finite = np.isfinite(series.values)
    started = np.maximum.accumulate(finite) | np.isinf(series.values)
    where = np.flatnonzero(~finite & started)
    if not where.size and len(finite) and not finite.any():
        where = np.array([0])
    return int(series.steps[where[0]]) if where.size else None


def _size(run: Run, largest: float, bound_step: int | None, non_finite_step: int | None) -> str:
    unit, bound = step_unit(run), bound_of(run)
    if np.isnan(largest):
        if non_finite_step is not None:
            return f"Every logged |Q| was NaN or infinite, from {whole(non_finite_step)} {unit} on."
        return "No Q-value was logged, so nothing can be said about divergence."
    limit = "" if bound is None else f" 1/(1−γ) = {human(bound)}"
    parts = f"The largest |Q| was {human(largest)}"
    if bound is None:
        parts += "; without a discount in the settings there is no bound to hold it against"
    elif bound_step is None and largest <= bound:
        parts += f", against the bound{limit}"
        if largest < bound:
            parts += f": {percent(largest / bound)} of it"
    elif bound_step is not None:
        parts = f"|Q| passed the bound{limit} at {whole(bound_step)} {unit}"
        parts += f" and rose to {human(largest)}"
        series = run.series["diverge/q_abs_max"]
        if np.isfinite(series.values[-1]) and series.values[-1] <= bound:
            parts += f"; at the end it was back within it, at {human(series.values[-1])}"
    if non_finite_step is not None:
        parts += (
            f". From {whole(non_finite_step)} {unit} on there were values that are no finite number"
        )
    return parts + "."


def _warning(run: Run, alarm_step: int | None, lead: int | None, passed: bool) -> str:
    unit = step_unit(run)
    if alarm_step is None:
        return "No alarm was raised." if lead is None else ""
    first = min(run.alarms, key=lambda alarm: alarm.step)
    rule = first.rule.replace("_", " ")
    text = f"The first alarm ({rule}) came at {whole(alarm_step)} {unit}"
    event = "the bound was passed" if passed else "the values stopped being finite"
    if lead is not None and lead > 0:
        text += f", {whole(lead)} {unit} before {event}"
    elif lead is not None:
        text += f", {whole(-lead)} {unit} after {event}" if lead else f", just when {event}"
    rules = Counter(alarm.rule.replace("_", " ") for alarm in run.alarms)
    if len(run.alarms) > 1:
        text += f"; {len(run.alarms)} alarms in all"
        text += (
            f" ({', '.join(f'{n} × {rule}' for rule, n in rules.most_common())})"
            if len(rules) > 1
            else ""
        )
    return text + "."


def _row_condition(run: Run) -> str:
    holding = _last(run.series.get("diverge/fraction_holding"))
    baseline = _last(run.series.get("diverge/fraction_holding_regression"))
    if holding is None:
        return ""
    text = f"Achiam's row condition last held for {percent(holding)} of the rows"
    if baseline is None:
        return f"{text}. It is sufficient for the next update to contract, not necessary."
    text += (
        f", against {percent(baseline)} at γ = 0, plain regression with the same kernel, which"
        " bootstraps nothing and is shown for comparison"
    )
    if baseline < 0.5:
        return f"{text}: where even regression fails it, a failing row is no sign of divergence."
    if holding < 0.5 * baseline:
        return f"{text}: the gap is what bootstrapping costs."
    return f"{text}."


def _ending(run: Run) -> str:
    status = str(run.info.get("status", ""))
    return {
        "running": "The run has not been closed: it is under way, or it was killed.",
        "interrupted": "The run was interrupted; all that it had logged is shown.",
        "alarm": "The run was stopped by its alarm.",
    }.get(status, "")


def _differences(runs: Sequence[Run]) -> str:
    names = differing(runs)
    if not names:
        return "Their settings are the same."
    shown = []
    for name in names[:4]:
        values = dict.fromkeys(_setting(run, name) for run in runs)
        shown.append(f"{name.replace('_', ' ')} ({' against '.join(values)})")
    more = f", and {len(names) - 4} more" if len(names) > 4 else ""
    return f"They differ in {', '.join(shown)}{more}."


def _setting(run: Run, name: str) -> str:
    config = run.info.get("config")
    value = config.get(name) if isinstance(config, dict) else None
    if value is None:
        return "none"
    return human(value) if isinstance(value, float) else str(value)


def _last(series: Series | None) -> float | None:
    finite = np.array([]) if series is None else series.values[np.isfinite(series.values)]
    return float(finite[-1]) if finite.size else None
