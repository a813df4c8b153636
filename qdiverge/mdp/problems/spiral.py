"""The spiral of Tsitsiklis and Van Roy: on-policy TD that diverges with a nonlinear network."""

from dataclasses import dataclass

import numpy as np

from qdiverge.checks import (
    check_discount,
    check_finite_number,
    check_integer,
    check_number,
    check_positive,
)
from qdiverge.mdp.model import MDP

START = np.array([100.0, -70.0, -30.0])  # a, whose entries sum to 0
TURN = np.array([[1.0, 0.5, 1.5], [1.5, 1.0, 0.5], [0.5, 1.5, 1.0]])  # Q; Q² = −¾ on that plane
WALK = np.array([[0.5, 0.0, 0.5], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])  # P, stationary: uniform
SPEED = np.sqrt(0.75)


@dataclass(frozen=True)
class Spiral:
    """Three states, one weight, V(w) = exp((Q + εI)w)a, the solution of dV/dw = (Q + εI)V.

    P steps around the circle or stays, each with probability ½; states are sampled uniformly, which
    is on-policy, and every reward is 0, so the true V is 0. Yet under the mean path of TD(0),

        ẇ = ⅓ Σ_i V_i'(w) (γPV − V)_i = ẇ(0) e^{2εw},

    V spirals outwards, and for γ near 1 w reaches ∞ at the time 1/(2ε ẇ(0)).

    Source: Tsitsiklis & Van Roy 1997, section X. (The closed form of ẇ follows since Q and P
    commute and the quadratic form does not change under rotation.)

    Args:
        discount: γ.
        epsilon: ε.

    Raises:
        InvalidTypeError, InvalidValueError: γ is not in [0, 1], or ε no finite number.

    >>> Spiral().value(0.0)
    array([100., -70., -30.])
    """

    discount: float = 0.9
    epsilon: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "discount", check_discount(self.discount))
        object.__setattr__(self, "epsilon", check_finite_number("epsilon", self.epsilon))

    @property
    def mdp(self) -> MDP:
        """Return the chain; nothing is terminal."""
        third = np.full(3, 1 / 3)
        return MDP(WALK[:, None, :], np.zeros((3, 1)), self.discount, third, name="spiral")

    def value(self, w: float) -> np.ndarray:
        """Return V(w) = e^{εw} (cos(ωw) a + sin(ωw)/ω Qa), ω = √¾, ``[3]``."""
        if not isinstance(w, complex):  # a complex step finds the slope
            w = check_number("w", w)
        turned = np.cos(SPEED * w) * START + np.sin(SPEED * w) / SPEED * (TURN @ START)
        return np.exp(self.epsilon * w) * turned

    def gradient(self, w: float) -> np.ndarray:
        """Return dV/dw = (Q + εI)V(w) ``[3]``."""
        values = self.value(w)
        return TURN @ values + self.epsilon * values

    def drift(self, w: float) -> float:
        """Return ẇ = ⅓ Σ_i V_i'(w) (γPV − V)_i."""
        values = self.value(w)
        δ = self.discount * WALK @ values - values
        return float(self.gradient(w) @ δ) / 3

    @property
    def blow_up_time(self) -> float:
        """Return when w is infinite on the mean path from w = 0; inf where it never is."""
        rate = 2 * self.epsilon * self.drift(0.0)
        return 1 / rate if rate > 0 else float("inf")

    def run(self, num_updates: int, learning_rate: float, w: float = 0.0) -> np.ndarray:
        """Return w of the expected updates w ← w + αẇ, ``[T + 1]``."""
        num_updates = check_integer("num_updates", num_updates, 0)
        learning_rate = check_positive("learning_rate", learning_rate)
        path = np.empty(num_updates + 1)
        path[0] = check_finite_number("w", w)
        for t in range(num_updates):
            path[t + 1] = path[t] + learning_rate * self.drift(path[t])
        return path
