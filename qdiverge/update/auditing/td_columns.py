"""The numbers of a batch that a TD loss is made of, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
LOSSES = ("half_squared", "squared", "huber")


@dataclass(frozen=True)
class Hypothesis:
    """How a loop may make ∂L/∂Q(s_i, a_i) out of a batch.

    Attributes:
        loss: "half_squared" (½δ², and δ² but for its scale) or "huber".
        bootstrap: The name of a column m.
        actions: Whose Q is trained: a name of ``Columns.q``.
        rewards: A name of ``Columns.rewards``.
        reward_factor: What r is multiplied by.
        discount_factor: What γ_i is multiplied by where d = 0; 1: as declared.
        terminal_factor: The same where d = 1; 0: masked.
        truncated_factor: The same, of those with d = 0 that a limit cut off.
        weights: A name of ``Columns.weights``.
        is_broadcast: Each Q goes with every target, [B, 1] − [B].
    """

    loss: str = "half_squared"
    bootstrap: str = "target_q"
    actions: str = "shown"
    rewards: str = "shown"
    reward_factor: float = 1.0
    discount_factor: float = 1.0
    terminal_factor: float = 0.0
    truncated_factor: float = 1.0
    weights: str = "shown"
    is_broadcast: bool = False


@dataclass
class Columns:
    """A batch in numbers, [N] each; several of those that a loop may have taken instead.

    Attributes:
        q: Q(s_i, a_i) by the name of the actions, [N, C] for C critics.
        rewards: r by name.
        discounts: γ_i as declared.
        terminated: d.
        truncated: 1 where a limit cut the episode off.
        following: m, the candidates for the value of the successor, by name.
        weights: w by name.
    """

    q: dict[str, Array]
    rewards: dict[str, Array]
    discounts: Array
    terminated: Array
    truncated: Array
    following: Mapping[str, Array]
    weights: dict[str, Array] = field(default_factory=dict)

    def factors(self, h: Hypothesis) -> Array:
        """Return what γ_i m_i counts: the discount factor, the terminal or the truncated one."""
        discount_factors = np.where(self.truncated > 0, h.truncated_factor, 1.0) * h.discount_factor
        return np.where(self.terminated > 0, h.terminal_factor, discount_factors)

    def targets(self, h: Hypothesis) -> Array:
        """Return y_i = ρ r_i + f_i γ_i m_i."""
        r, m = self.rewards[h.rewards], self.following[h.bootstrap]
        return h.reward_factor * r + self.factors(h) * self.discounts * m

    def slopes(self, h: Hypothesis) -> Array:
        """Return ∂L/∂Q(s_i, a_i) of the mean loss, [N, C]: w_i ψ(Q_i − y_i)/N.

        ψ(x) = x, or x clipped to [−1, 1] (Huber).

        >>> one = np.ones(2)
        >>> columns = Columns({"shown": np.array([[1.0], [3.0]])}, {"shown": one}, 0.5 * one,
        ...     np.array([0.0, 1.0]), 0 * one, {"target_q": 2 * one}, {"shown": one})
        >>> columns.slopes(Hypothesis()).T, columns.slopes(Hypothesis("huber")).T  # y = 2, 1
        (array([[-0.5,  1. ]]), array([[-0.5,  0.5]]))
        """
        q, y = self.q[h.actions], self.targets(h)
        if h.is_broadcast:
            pulled = psi(q[:, None, :] - y[None, :, None], h.loss).mean(1)
        else:
            pulled = psi(q - y[:, None], h.loss)
        return self.weights[h.weights][:, None] * pulled / len(y)

    def sizes(self, h: Hypothesis) -> Array:
        """Return |Q| + |r| + |γ m|, whose rounding is that of the TD error, [N]."""
        bootstrap_sizes = np.abs(self.factors(h) * self.discounts * self.following[h.bootstrap])
        return np.abs(self.q[h.actions]).max(1) + np.abs(self.rewards[h.rewards]) + bootstrap_sizes


def psi(errors: Array, loss: str) -> Array:
    """Return ψ(δ) = ℓ'(δ): δ, or δ clipped to [−1, 1]."""
    return np.clip(errors, -1.0, 1.0) if loss == "huber" else errors
