"""What an audit tells of the rule that a run trains by, where it tells it from the rest."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from qdiverge.batch_reading import as_transitions
from qdiverge.kernel.network import first_parameter
from qdiverge.td import BOOTSTRAPS
from qdiverge.update import UpdateRule
from qdiverge.update.auditing import Audit
from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.following import Following
from qdiverge.update.rule import LOSS_SLOPES

WHOLE = 1e-3  # how near a scale is to 1 to be taken for it
SATURATED = 1e-5  # how near to 1 the slopes of two rows are where Huber's loss clips both
FAR = 10.0  # residuals, by which they differ at least
APART = 1e-3  # of the TD errors: by how much rules differ that one gradient tells apart
RIM = 1e-4  # how far outside [0, 1] a γ is still 0 or 1, shown with rounding errors
ROUND = 2e-6  # how near a norm is to three digits to be taken for them


def identified(audit: Audit, shown: dict[str, Any], slope: float | None = None) -> dict[str, Any]:
    """Return the fields of an :class:`qdiverge.update.UpdateRule` that a gradient determines.

    Args:
        audit: Of this very update.
        shown: Its batch.
        slope: Of the loss, as several audits show it (:mod:`qdiverge.monitor.loss_slope`).

    Returns:
        Field → value; what the gradient fits in several ways, such as ½δ² and Huber's loss where no
        |δ| passes 1, is left out. The bootstrap: see :func:`fitting_bootstraps`.
    """
    if audit.bootstrap == "unknown" or not audit.residual < 1:
        return {}
    fields: dict[str, Any] = {"has_weights": has_spread(shown.get("weights"))}
    if (discount := as_discount(audit.discount)) is not None:
        fields["discount"] = discount
    errors = abs(td_errors(audit, shown))
    if audit.loss == "huber" and (abs(errors - 1) < SATURATED).sum() > 1:
        fields["loss"] = audit.loss
    own = LOSS_SLOPES.get(audit.loss, math.nan) * audit.gradient_scale
    is_whole = abs(audit.gradient_scale - 1) < WHOLE  # else clipping may hide a factor of 2
    is_whole |= slope is not None and abs(own / slope - 1) < WHOLE
    if audit.loss in ("half_squared", "squared") and is_whole and (errors > 1 + WHOLE).any():
        fields["loss"] = audit.loss
    return fields


def as_discount(shown: float) -> float | None:
    """Return what a gradient shows as γ, to seven places; None: it lies outside [0, 1], or is NaN.

    >>> as_discount(0.99), as_discount(-3e-7), as_discount(1.000001), as_discount(-0.9)
    (0.99, 0.0, 1.0, None)
    >>> as_discount(3e-9)
    0.0
    """
    within = min(max(shown, 0.0), 1.0)
    return round(within, 7) if abs(within - shown) < RIM else None


def has_spread(weights: Any) -> bool:
    """Tell whether there are weights that weigh some rows more than others."""
    return weights is not None and bool((weights != weights.reshape(-1)[0]).any())


def td_errors(audit: Audit, shown: dict[str, Any]) -> np.ndarray:
    """Return ψ(δ_i), [N], as the gradient shows them: ∂L/∂Q_i N/(c w_i), c twice as large of δ²."""
    slopes = numbers(audit.sample_gradients) * len(audit.sample_gradients)
    slopes /= audit.gradient_scale * (2.0 if audit.loss == "squared" else 1.0)
    if (weights := shown.get("weights")) is not None:
        weights = numbers(weights)
        slopes = np.divide(slopes, weights, out=np.zeros_like(slopes), where=weights > 0)
    return slopes


def fitting_bootstraps(
    audit: Audit,
    shown: dict[str, Any],
    networks: Sequence[nn.Module],
    targets: Sequence[nn.Module],
    entropy_coefficient: float = 0.0,
) -> frozenset[str]:
    """Return the bootstrap rules that make this gradient: that which was found, and its likes here.

    Args:
        audit: Of this very update.
        shown: Its batch.
        networks: The Q-network, or the critics, as they were.
        targets: Their targets.
        entropy_coefficient: η of a soft critic.
    """
    if audit.bootstrap not in BOOTSTRAPS:
        return frozenset(BOOTSTRAPS)
    if not targets:
        return frozenset({audit.bootstrap})
    batch = as_transitions(shown).plain()
    like = first_parameter(networks)
    batch = batch.to(like.device, like.dtype)
    following = Following(networks, targets, batch, shown, None, entropy_coefficient)
    own, live = following[audit.bootstrap], numbers(batch.terminated) == 0
    if not live.any():
        return frozenset(BOOTSTRAPS)
    most = max(APART, FAR * audit.residual)  # of half precision little is told apart
    size = most * float(np.sqrt((td_errors(audit, shown) ** 2).mean()))
    return frozenset(
        rule
        for rule in set(following) & set(BOOTSTRAPS)
        if float(np.sqrt(((following[rule] - own)[live] ** 2).mean())) <= size
    )


def clipped_norm(audit: Audit, before: float | None) -> tuple[float | None, float | None]:
    """Return the norm that gradients are clipped to, where it is told, and the norm of this one.

    It is told by a norm of few digits, and by the same norm twice.

    Args:
        audit: Of this update.
        before: The norm of the last gradient that was less than the loss's.
    """
    norm = next((f.evidence.get("norm") for f in audit.findings if f.code == "clipped"), None)
    if norm is None:
        return None, before
    rounded = float(f"{norm:.3g}")
    if abs(norm / rounded - 1) < ROUND:
        return rounded, norm
    is_same = before is not None and abs(norm / before - 1) < 10 * ROUND
    return (float(f"{norm:.5g}") if is_same else None), norm


def in_words(rule: UpdateRule, fitting: frozenset[str]) -> str:
    """Return what a loop trains, of what is seen of it.

    Args:
        rule: As far as it is known.
        fitting: The bootstrap rules that made every gradient seen so far.

    >>> seen = {"loss": "seen", "discount": "seen", "bootstrap": "seen"}
    >>> in_words(UpdateRule(loss="huber", bootstrap="double_q", sources=seen), frozenset())
    "Huber's loss, γ = 0.99, target network, double Q"
    """
    seen_fields = {name for name, source in rule.sources.items() if source == "seen"}
    loss = {"half_squared": "½δ²", "squared": "δ²", "huber": "Huber's loss"}[rule.loss]
    bootstraps = {
        "q": "no target network",
        "target_q": "target network",
        "double_q": "target network, double Q",
        "inverse_double_q": "target network, inverse double Q",
    }
    if "loss_factor" in seen_fields and rule.loss_factor != 1:
        loss = f"{rule.loss_factor:.4g} × {loss}"
    parts = [loss] if seen_fields & {"loss", "loss_factor"} else []
    parts += [f"γ = {rule.discount:g}"] if "discount" in seen_fields else []
    if "bootstrap" in seen_fields:
        parts.append(bootstraps[rule.bootstrap])
    elif fitting == {"target_q", "double_q"}:
        parts.append("target network (with double Q or without: the same on these batches)")
    if rule.critics != "one":
        parts.append(f"{rule.critics} of the critics")
    if "polyak" in seen_fields and rule.polyak is not None:
        every = rule.averaging_period
        often = f" every {every} updates" if every > 1 else ""
        parts.append(f"target averaged with τ = {rule.polyak:g}{often}")
    if "target_period" in seen_fields and rule.target_period is not None:
        parts.append(f"target copied every {rule.target_period} updates")
    parts += ["importance weights"] if rule.has_weights and "has_weights" in seen_fields else []
    if "clipping" in seen_fields and rule.clipping is not None:
        parts.append(f"gradient clipped at {rule.clipping:g}")
    return ", ".join(parts)
