"""The exponent of a real update map: its leading eigenvalue, looked for in a Krylov subspace."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.update.krylov import Matrix, Subspace, leading, subspaces
from qdiverge.update.real_map import RealMap
from qdiverge.update.sketch import Sketch

_TOLERANCE = 1e-6  # of the exponent: no more updates are spent, and no less is claimed
_DIGITS = 1e-4  # or four digits of it
_ROUNDING = 1e-9  # the least relative error of a product that is reckoned with
_CLOSED = 1e-6  # what part of a product outside the subspace is none
LEAST = 16  # updates, of which 13 are spent before the first product
_EACH = 8  # directions: until then the eigenvalue is looked at after each, then
_SELDOM = 4  # after so many
_CHECK = 4  # updates kept back: the derivative along the leading vector, from both sides
_SMOOTH = 1e-3  # how far the two sides may differ


@dataclass(frozen=True)
class UpdateExponent:
    """What one update does to a small difference.

    Attributes:
        growth: |λ|, per update.
        exponent: log |λ|, per update.
        error: Of ``exponent``: what left the subspace, rounding and curvature, times the condition
            of the eigenvalue; 1e-6 at least. A first-order estimate, not a bound: 993 of 1,000
            random linear problems lay within it; the others were decays slower than 0.003 an
            update, of which the start held next to nothing.
        is_rotating: Whether λ is complex: of one update, or of a period or list of batches.
        is_smooth: Whether J is the same seen from both sides. False: a greedy action, a rectifier
            or Huber's loss is at its kink, and there is no derivative.
        num_updates: What it cost, in updates of the rule on one batch.
        num_directions: The dimension of the subspace that was looked at.
    """

    growth: float
    exponent: float
    error: float
    is_rotating: bool
    is_smooth: bool
    num_updates: int
    num_directions: int

    def __str__(self) -> str:
        turning = ", turning" if self.is_rotating else ""
        kink = "" if self.is_smooth else "; at a kink, where there is no derivative"
        return (
            f"a small difference grows by {self.growth:.6g} an update (exponent {self.exponent:.3g}"
            f" ± {self.error:.1g}{turning}){kink}; {self.num_updates} updates spent. This holds at "
            "this moment and predicts nothing: sound runs have positive exponents too."
        )


def exponent_of(real: RealMap, period: int | None, most: int) -> UpdateExponent:
    """Enlarge the subspace until the leading eigenvalue stands or the updates are spent."""
    online, slow = real.state.online, real.state.target
    length = len(real.batches)
    per = length * (period or 1)

    def own(u: Tensor) -> Tensor:
        moved = real.product(u)
        if period is not None:
            moved[slow] = 0  # it stays until it is copied
        return moved

    def through_target(u: Tensor) -> Tensor:
        copied = torch.zeros_like(u)
        copied[slow] = u[online]
        return own(copied)

    products = [own] if period is None else [own, through_target]
    if period is not None and online.stop - online.start != slow.stop - slow.start:
        raise InvalidValueError("the target must have the parameters of q_net", got="others")
    start = real.start()
    if period is not None:
        start[slow] = 0
    if float(start.norm()) == 0:
        raise InvalidValueError(
            "an update must move something", got="none", remedy="Is the learning rate 0?"
        )
    sketch = Sketch(start, real.seed)
    start = start / sketch(start).norm()
    is_smooth = real.fit_step(start)
    keep = (_CHECK + len(products)) * length
    closed, past = max(_CLOSED, 1e3 * real.noise), [math.inf]
    for space in subspaces(products, start, sketch, closed):
        is_last = space.is_invariant or real.num_updates + keep > most
        if len(space) > _EACH and len(space) % _SELDOM and not is_last:
            continue
        matrices = space.matrices()
        eigenpair = leading(matrices, period, max(real.noise, _ROUNDING))
        past.append(eigenpair.log_modulus)
        wanted = max(_TOLERANCE, _DIGITS * abs(eigenpair.log_modulus) / per)
        is_still = space.is_invariant or _spread(past) / per <= 10 * wanted
        if (is_resolved := is_still and eigenpair.error / per <= wanted) or is_last:
            break
    off = _disagreement(real, eigenpair.vector, space, matrices, period is not None)
    exponent = eigenpair.log_modulus / per
    error = eigenpair.error + eigenpair.condition * off * (period or 1)
    if not is_resolved:  # no better known than from one look to the next
        error = max(error, _spread(past))
    return UpdateExponent(
        growth=math.exp(exponent),
        exponent=exponent,
        error=max(error / per, _TOLERANCE),
        is_rotating=abs(math.sin(eigenpair.angle)) > _TOLERANCE,
        is_smooth=is_smooth and off < _SMOOTH,
        num_updates=real.num_updates,
        num_directions=len(eigenpair.vector),
    )


def _spread(past: list[float]) -> float:
    """Return how far the last three looks lie apart."""
    return max(past[-3:]) - min(past[-3:])


def _disagreement(
    real: RealMap, y: np.ndarray, space: Subspace, matrices: Sequence[Matrix], is_copied: bool
) -> float:
    """Return how far J y, seen from both sides, is from what the products say of it.

    max ‖J₊y − Jy‖/‖Jy‖ and ‖J₋y − Jy‖/‖Jy‖ over the parts of the leading vector y.
    """
    worst = 0.0
    parts = np.stack([part for part in (y.real, y.imag) if np.linalg.norm(part) >= 1e-8])
    images = space.vectors(parts @ np.sum(matrices, axis=0)[:-1].T)
    for direction, expected in zip(space.vectors(parts), images, strict=True):
        if is_copied:
            direction[real.state.target] = direction[real.state.online]
        for step in (real.step, -real.step):
            image = real.product(direction, step)
            if is_copied:
                image[real.state.target] = 0
            off = float((image - expected).norm())
            worst = max(worst, off / max(float(expected.norm()), 1e-300))
    return worst
