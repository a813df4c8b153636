"""One sentence on how a run stands, for a terminal line."""

import math
from collections.abc import Mapping, Sequence

from qdiverge.runs import AlarmEvent
from qdiverge.runs.judgement import WORDS, Judgement, Raised, judge

WAITING = "waiting for the first measurement"


def verdict_of(
    latest: Mapping[str, float], raised: Sequence[AlarmEvent], otherwise: str = ""
) -> str:
    """Return the verdict, what it rests on, and how the values stand.

    Args:
        latest: The newest value of each metric.
        raised: Alarms, findings and notes, oldest first; notes are not quoted.
        otherwise: What of the run is measured otherwise than it is made; "": nothing.

    >>> values = {"diverge/q_abs_max": 0.5, "diverge/soft_divergence_bound": 100.0}
    >>> verdict_of(values, [])
    'healthy: max|Q| 0.5 of at most 100'
    >>> verdict_of(values, [], "it learns with dropout and is measured without")
    'no verdict: max|Q| 0.5 of at most 100. It learns with dropout and is measured without'
    >>> verdict_of({}, [AlarmEvent(3, 3, "wrong_discount", "γ is 0.9, not 0.99.", "loop")])
    'LOOP: γ is 0.9, not 0.99. Now waiting for the first measurement'
    >>> verdict_of({}, [])
    'waiting for the first measurement'
    """
    judgement, present = judge_now(latest, raised, otherwise), values_now(latest)
    kinds = ("divergence", "loop")
    texts = [next((r.message for r in reversed(raised) if r.kind == kind), "") for kind in kinds]
    state = WORDS[judgement.health]
    if any(texts):
        words = [state if i == 0 or not texts[0] else WORDS["loop"] for i in range(2)]
        line = " ".join(f"{word}: {text}" for word, text in zip(words, texts, strict=True) if text)
        line = f"{line} Now {present}"
    elif present == WAITING:
        line = present
    else:
        line = f"{state}: {present}"
    return f"{line}. {otherwise[:1].upper()}{otherwise[1:]}" if otherwise else line


def judge_now(
    latest: Mapping[str, float], raised: Sequence[Raised], otherwise: str = ""
) -> Judgement:
    """Judge a run by what is known of it now."""
    size = latest.get("diverge/q_abs_max")
    bound = latest.get("diverge/soft_divergence_bound", math.inf)
    limit = latest.get("diverge/divergence_limit", bound)
    return judge(
        raised,
        has_passed=size is not None and not (math.isfinite(size) and size <= limit),
        is_measured=size is not None,
        has_limit=math.isfinite(limit),
        is_otherwise=bool(otherwise),
    )


def values_now(latest: Mapping[str, float]) -> str:
    """Return how the values stand, in words.

    >>> values_now({"diverge/q_abs_max": 0.5, "diverge/soft_divergence_bound": math.inf,
    ...             "diverge/divergence_limit": 30.0})
    'max|Q| 0.5, without a bound at γ = 1, held against 30'
    >>> values_now({"diverge/q_abs_max": 10.1, "diverge/soft_divergence_bound": 10.0,
    ...             "diverge/divergence_limit": 10.8})
    'max|Q| 10.1, at its bound of 10: TD errors excuse up to 10.8'
    """
    if "diverge/q_abs_max" not in latest:
        return WAITING
    size = latest["diverge/q_abs_max"]
    bound = latest.get("diverge/soft_divergence_bound", math.inf)
    limit = latest.get("diverge/divergence_limit", bound)
    parts = [f"max|Q| {size:.3g} of at most {bound:.3g}"]
    if bound < size <= limit:
        parts = [
            f"max|Q| {size:.3g}, at its bound of {bound:.3g}: TD errors excuse up to {limit:.3g}"
        ]
    if math.isinf(bound):
        held = f", held against {limit:.3g}" if math.isfinite(limit) else ""
        parts = [f"max|Q| {size:.3g}, without a bound at γ = 1{held}"]
    if "diverge/fraction_holding" in latest:
        share = latest["diverge/fraction_holding"]
        regression = latest.get("diverge/fraction_holding_regression", math.nan)
        parts.append(f"row condition holds in {share:.0%} of rows (γ = 0: {regression:.0%})")
    return "; ".join(parts)
