"""Remedies, and the run that takes one: fields of its rule that are changed."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from qdiverge.checks import check_rate
from qdiverge.diagnostics.value_bound import EXCUSED
from qdiverge.errors import InvalidValueError
from qdiverge.rehearsal.learner import Original
from qdiverge.update import UpdateRule

Change = Mapping[str, Any]  # field of the rule → its new value
CHANGEABLE = (
    "learning_rate",
    "discount",
    "loss",
    "bootstrap",
    "target_period",
    "polyak",
    "clipping",
)
LONG_PERIOD, SLOW_AVERAGE, SMALL_NORM = 100, 0.005, 1.0
MILD = 0.5 / (1 + EXCUSED)  # of the limit: half of what any policy can earn


def usual_changes(rule: UpdateRule, *, is_critic: bool, is_known: bool = True) -> dict[str, Change]:
    """Return the remedies that are rehearsed unless others are named, the mildest first.

    A smaller step, a clipped gradient, a slower target; double Q with it.

    >>> usual_changes(UpdateRule(learning_rate=0.4), is_critic=True)["learning rate / 4"]
    {'learning_rate': 0.1}
    """
    α = rule.learning_rate
    changes: dict[str, Change] = {"learning rate / 4": {"learning_rate": α / 4}}
    if not is_known:  # an update of the caller's own
        return changes | {"learning rate / 16": {"learning_rate": α / 16}}
    if rule.clipping is None or rule.clipping > SMALL_NORM:
        changes[f"gradient clipped at {SMALL_NORM:g}"] = {"clipping": SMALL_NORM}
    slower = _slower_target(rule, is_critic=is_critic)
    if slower:
        changes[_named(slower)] = slower
        if not is_critic:
            double = {**slower, "bootstrap": "double_q"}
            changes[f"{_named(slower)}, double Q"] = double
    changes["learning rate / 16"] = {"learning_rate": α / 16}
    if slower:
        both = {**slower, "learning_rate": α / 4}
        changes[f"{_named(slower)}, learning rate / 4"] = both
    return changes


def changed(original: Original, change: Change) -> Original:
    """Return the run with fields of its rule changed.

    Raises:
        InvalidValueError: a field that no copy can change, or a value out of its range.
    """
    unknown = sorted(set(change) - set(CHANGEABLE))
    if unknown:
        raise InvalidValueError(
            f"a change must be of the fields {', '.join(CHANGEABLE)} of the rule",
            got=", ".join(unknown),
        )
    rule, values = original.rule, dict(change)
    if original.update is not None:
        if original.take is None and set(values) - {"learning_rate"}:
            raise InvalidValueError(
                "with update=… a change can be of the learning rate only",
                got=", ".join(sorted(change)),
            )
        original = replace(original, taken=values)
    new_rate = check_rate("learning_rate", values.get("learning_rate", rule.learning_rate))
    rate = new_rate / rule.learning_rate
    if "target_period" in values and values["target_period"] is not None:
        values.setdefault("polyak", None)
    if "polyak" in values and values["polyak"] is not None:
        values.setdefault("target_period", None)
    sources = {name: rule.sources[name] for name in (f.name for f in fields(rule))
               if name in rule.sources} | dict.fromkeys(values, "given")  # fmt: skip
    loss = None if "loss" in values else original.loss
    new = replace(rule, **values, sources=sources)
    return replace(original, rule=new, rate=original.rate * rate, loss=loss)


def _slower_target(rule: UpdateRule, *, is_critic: bool) -> Change:
    """Return a target that follows at least twice as slowly as the run's; {} where it is slow."""
    if is_critic or rule.polyak is not None:
        now = rule.polyak if rule.polyak is not None else 1 / (rule.target_period or 1)
        is_slow = now < 2 * SLOW_AVERAGE
        return {} if is_slow else {"polyak": SLOW_AVERAGE, "bootstrap": "target_q"}
    if (rule.target_period or 1) > LONG_PERIOD / 2:
        return {}
    bootstrap = rule.bootstrap if rule.lags and rule.bootstrap != "q" else "target_q"
    return {"target_period": LONG_PERIOD, "bootstrap": bootstrap}


def _named(change: Change) -> str:
    if "polyak" in change:
        return f"target averaged with τ = {change['polyak']:g}"
    return f"target copied every {change['target_period']} updates"


def is_mild(sizes: Any, limit: float) -> bool:
    """Return whether max|Q| of every order stayed below half of what can be earned.

    >>> is_mild([[1.0, 3.0]], 10.0), is_mild([[1.0, 6.0]], 10.0)
    (True, False)
    """
    return all(max((x for x in row if not math.isnan(x)), default=math.inf) < MILD * limit
               for row in sizes)  # fmt: skip
