"""What several runs say side by side, in one paragraph."""

from collections.abc import Sequence

from qdiverge.report.facts import differing, step_unit
from qdiverge.report.numbers import human, whole
from qdiverge.report.verdict import Verdict
from qdiverge.runs import Run


def compare(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> str:
    """Return one paragraph that sets the runs side by side; empty for a single run."""
    if len(runs) < 2:
        return ""
    unit = step_unit(runs[0])
    diverged = [v for v in verdicts if v.health == "diverged"]
    others = [v for v in verdicts if v.health != "diverged"]
    is_pair = len(runs) == 2
    if not diverged:
        outcome = "Neither run diverged." if is_pair else "No run diverged."
    elif not others:
        outcome = "Both runs diverged." if is_pair else f"All {len(runs)} runs diverged."
    elif is_pair:
        fate = "kept its Q-values in bounds" if others[0].health != "unknown" else "has no verdict"
        outcome = f"“{others[0].name}” {fate}; “{diverged[0].name}” diverged."
    else:
        names = ", ".join(f"“{v.name}”" for v in diverged)
        outcome = f"{len(diverged)} of {len(runs)} runs diverged: {names}."
    warned = [v.lead for v in diverged if v.lead is not None and v.lead > 0]
    if len(diverged) == 1 and warned:
        outcome = f"{outcome[:-1]}, {whole(warned[0])} {unit} after its first alarm."
    elif warned:
        outcome += (
            f" {len(warned)} of them had been warned, by {whole(min(warned))} {unit} or more."
        )
    return f"{outcome} {_differences(runs)}"


def _differences(runs: Sequence[Run]) -> str:
    names = differing(runs)
    if not names:
        return "Their recorded settings are the same."
    shown = []
    for name in names[:4]:
        values = dict.fromkeys(_setting(run, name) for run in runs)
        shown.append(f"{name.removeprefix('use_').replace('_', ' ')} ({' against '.join(values)})")
    and_more = f", and {len(names) - 4} more" if len(names) > 4 else ""
    return f"They differ in {', '.join(shown)}{and_more}."


def _setting(run: Run, name: str) -> str:
    config = run.info.get("config")
    value = config.get(name) if isinstance(config, dict) else None
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return human(value) if isinstance(value, float) else str(value)
