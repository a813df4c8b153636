"""One sentence on how a run stands, for a terminal line."""

import math
from collections.abc import Mapping, Sequence

from qdiverge.runs import AlarmEvent


def status_line(
    latest: Mapping[str, float], alarms: Sequence[str], loop: Sequence[str] = ()
) -> str:
    """Return the present state in words.

    Args:
        latest: The newest value of each metric.
        alarms: The messages of the alarms that fired, oldest first.
        loop: What audits found in the loop, oldest first.

    >>> status_line({"diverge/q_abs_max": 0.5, "diverge/soft_divergence_bound": 100.0}, [])
    'healthy: max|Q| 0.5 of at most 100'
    >>> status_line({"diverge/q_abs_max": 0.5, "diverge/soft_divergence_bound": math.inf,
    ...              "diverge/divergence_limit": 30.0}, [])
    'healthy: max|Q| 0.5, without a bound at γ = 1, held against 30'
    >>> status_line({}, [], ["Terminal states keep 97% of their bootstrap: …"])
    'LOOP: Terminal states keep 97% of their bootstrap: … Waiting for the first measurement'
    """
    if "diverge/q_abs_max" not in latest:
        waiting = "waiting for the first measurement"
        return f"LOOP: {loop[-1]} {waiting.capitalize()}" if loop else waiting
    size, bound = latest["diverge/q_abs_max"], latest["diverge/soft_divergence_bound"]
    parts = [f"max|Q| {size:.3g} of at most {bound:.3g}"]
    if math.isinf(bound):
        limit = latest.get("diverge/divergence_limit", bound)
        held = f", held against {limit:.3g}" if math.isfinite(limit) else ""
        parts = [f"max|Q| {size:.3g}, without a bound at γ = 1{held}"]
    if "diverge/fraction_holding" in latest:
        parts.append(
            f"row condition holds in {latest['diverge/fraction_holding']:.0%} of rows "
            f"(γ = 0: {latest['diverge/fraction_holding_regression']:.0%})"
        )
    told = [f"ALARM: {alarm}" for alarm in alarms[-1:]] + [f"LOOP: {each}" for each in loop[-1:]]
    state = " ".join(told) if told else "healthy"
    return f"{state}{' Now ' if told else ': '}{'; '.join(parts)}"


def verdict_of(latest: Mapping[str, float], alarms: Sequence[AlarmEvent], otherwise: str) -> str:
    """Return the same of a run's alarms, and what of it is measured otherwise than it is made.

    Notes on the network's condition are none. Where another function learns than is measured, no
    run is called healthy.

    >>> values = {"diverge/q_abs_max": 0.5, "diverge/soft_divergence_bound": 100.0}
    >>> verdict_of(values, [], "it learns with dropout and is measured without")
    'no verdict: max|Q| 0.5 of at most 100. It learns with dropout and is measured without'
    """
    loop = [alarm.message for alarm in alarms if alarm.kind == "loop"]
    line = status_line(latest, [each.message for each in alarms if each.is_alarm], loop)
    if not otherwise:
        return line
    line = line.replace("healthy: ", "no verdict: ", 1) if line.startswith("healthy: ") else line
    return f"{line}. {otherwise[:1].upper()}{otherwise[1:]}"
