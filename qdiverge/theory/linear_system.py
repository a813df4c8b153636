"""The frozen-kernel system that the verdicts speak of: its step, modes, growth and certificate."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdiverge.theory.augmented_map import (
    averaged_increment,
    copied_increment,
    descent_increment,
    largest_growth,
    mode_radii,
    period_powers,
)
from qdiverge.theory.descent import Descent
from qdiverge.theory.momentum_certificate import averaged_certificate, copied_certificate
from qdiverge.theory.spectral import Modes, Reachable, modes, reachable_directions, spectral_radius
from qdiverge.theory.target_network import (
    period_gain,
    period_increment,
    period_step,
    polyak_increment,
)
from qdiverge.theory.td_error import (
    TDErrorCertificate,
    no_certificate,
    td_error_certificate,
    td_increments,
)

_HOPELESS = 28.0  # ln of the growth of a period, 1e12, beyond which rounding hides all else


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """δ ← (I + (K'_w − K)P_C) δ with row-wise mixtures w; float64 on the CPU.

    That is plain gradient descent; with momentum, decay or an averaged target the state is longer,
    see :mod:`qdiverge.theory.augmented_map`.
    """

    kernel: Tensor  # K [N, N]
    successors: Tensor  # K'_a [N, A, N]
    weights: Tensor  # D: ρ times the weights of the samples [N]
    descent: Descent
    period: int  # C, updates between two copies or averagings
    polyak: float | None  # τ; None: the target is copied
    eps: float  # machine epsilon of the kernels' entries
    is_double: bool = False  # another network selects a' than evaluates it: one learns, one lags

    @property
    def learning_rate(self) -> float:
        """Return α."""
        return self.descent.learning_rate

    @property
    def has_target(self) -> bool:
        """Return whether a target network lags behind."""
        return self.period > 1 or self.polyak is not None

    @property
    def is_switching(self) -> bool:
        """Return whether the greedy actions matter at all."""
        return bool((self.successors != self.successors[:, :1]).any())

    @property
    def _is_augmented(self) -> bool:
        """Return whether the state holds a velocity, or the displacement itself."""
        is_period_averaged = self.polyak is not None and self.period > 1
        is_plain = self.descent.is_plain and not is_period_averaged
        return not is_plain or (self.is_double and self.has_target)

    def chosen(self, greedy: Tensor) -> Tensor:
        """Return K' at the greedy actions [N, N]."""
        return self.successors[torch.arange(len(self.kernel)), greedy]

    def reach(self, greedy: Tensor) -> Reachable:
        """Return the coordinates that the parameters can move at these greedy actions."""
        return reachable_directions(self.kernel, self.chosen(greedy), self.weights, self.eps)

    def modes(self, reach: Reachable) -> Modes:
        """Return the modes of one step (one period, for hard copies)."""
        return modes(*self._increment(reach))

    def radius(self, reach: Reachable) -> float:
        """Return the spectral radius alone, which is cheaper."""
        return spectral_radius(*self._increment(reach))

    def update_radius(self, reach: Reachable, radius: float) -> float:
        """Return the factor per update, ρ^{1/C}, of a period's radius; finite where ρ is not."""
        if self.period > 1 and self._outgrows_float64(reach):
            return largest_growth(reach, self.descent, self.period, self.polyak)
        return radius ** (1 / self.period)

    def _increment(self, reach: Reachable) -> tuple[Tensor, float, float]:
        """Return the step minus the identity, the precision, and the norm of what cancels."""
        if self.period > 1 and self._outgrows_float64(reach):
            size = len(reach.rates)
            return torch.full((size, size), torch.inf, dtype=torch.float64), self.eps, 0.0
        if not self._is_augmented:
            if self.polyak is not None:
                return polyak_increment(reach, self.learning_rate, self.polyak), self.eps, 0.0
            increment, scale = period_increment(reach, self.learning_rate, self.period)
            return increment, self.eps, scale
        if self.polyak is not None:
            increment = averaged_increment(reach, self.descent, self.polyak, self.period)
            return increment, self.eps, float(torch.linalg.matrix_norm(increment))
        if self.period == 1:
            return descent_increment(reach, self.descent), self.eps, 0.0
        increment, scale = copied_increment(reach, self.descent, self.period)
        return increment, self.eps, scale

    def _outgrows_float64(self, reach: Reachable) -> bool:
        """Return whether a period on fixed targets is so unstable that nothing else shows."""
        if not len(reach.rates):
            return False
        each = float(mode_radii(-reach.rates, self.descent).max())
        return each > 1 and self.period * math.log(each) > _HOPELESS

    def growth(self, found: Modes, reach: Reachable) -> Tensor:
        """Return q_{i,a}: how the dominant mode moves the values that choose, complex [N, A]."""
        return self._moved(self._displacement(found, reach), reach)

    def growth_within(self, found: Modes, reach: Reachable, most: int = 64) -> list[Tensor]:
        """Return q_{i,a} within a period, where the network that learns chooses; else nothing.

        Args:
            found: the modes.
            reach: their coordinates.
            most: updates of the period that are looked at, evenly spaced.
        """
        if not (self.is_double and self.period > 1):
            return []
        r, mode = len(reach.rates), found.vectors[:, found.dominant]
        z, u, slow = mode[:r], mode[r : 2 * r], mode[:r] if self.polyak is None else mode[-r:]
        at = torch.linspace(1, self.period - 1, min(most, self.period - 1)).round().int().unique()
        pushed = reach.ahead.to(z.dtype) @ slow
        looks = []
        for k in at.tolist():
            S, g = period_powers(reach.rates, self.descent, k)
            looks.append(self._moved(S[:, 0, 0] * z + S[:, 0, 1] * u + g[:, 0] * pushed, reach))
        return looks

    def _displacement(self, found: Modes, reach: Reachable) -> Tensor:
        """Return z of the network whose values choose, in the dominant mode."""
        mode, r = found.vectors[:, found.dominant], len(reach.rates)
        if not self._is_augmented and self.polyak is None:
            return mode * period_gain(reach.rates, self.learning_rate, self.period)
        is_target = self.polyak is not None and not self.is_double
        return mode[-r:] if is_target else mode[:r]

    def _moved(self, z: Tensor, reach: Reachable) -> Tensor:
        """Return how the successors' values move with a displacement."""
        return self.successors.to(z.dtype) @ (reach.basis.to(z.dtype) @ z)

    def step(self) -> Tensor:
        """Return P_C [N, N]: what a period makes of g, from rest; αD of a single plain update."""
        if self.descent.is_plain:
            return period_step(self.kernel, self.weights, self.learning_rate, self.period)
        root = self.weights.sqrt()
        rates, U = torch.linalg.eigh(root[:, None] * self.kernel * root)
        _, g = period_powers(rates.clamp(min=0), self.descent, self.period)
        W = root[:, None] * U
        return (W * g[:, 0]) @ W.T

    def certificate(self) -> TDErrorCertificate:
        """Certify the system under every greedy switching, allowing for rounding.

        None is known for weights that decay, whose errors no longer come back to the same point,
        and where another network selects actions than evaluates them.
        """
        size = len(self.kernel)
        if self.descent.has_decay or (self.is_double and self.is_switching):
            return no_certificate(size)
        scale = max(float(self.kernel.abs().max()), float(self.successors.abs().max()))
        error = 2 * self.eps * scale
        if not self.descent.is_plain:
            system = self.kernel, self.successors, self.weights, self.descent
            if self.polyak is None:
                return copied_certificate(*system, self.period, error)
            return averaged_certificate(*system, self.polyak, self.period, error)
        step = self.step()
        if self.polyak is None:
            rows = td_increments(self.kernel, self.successors, step)
            return td_error_certificate(rows, error * step.abs().sum(0))
        rows, lag = _averaged_rows(self.kernel, self.successors, step, self.polyak)
        slack = error * step.abs().sum(0).repeat(2)
        return td_error_certificate(rows, slack, lag)

    def without_target(self) -> "LinearSystem":
        """Return the same system with a target that follows at every update."""
        return replace(self, period=1, polyak=None)

    def without_bootstrapping(self) -> "LinearSystem":
        """Return the same system at γ = 0."""
        return replace(self, successors=torch.zeros_like(self.kernel)[:, None, :], polyak=None)

    def with_step(self, learning_rate: float) -> "LinearSystem":
        """Return the same system with another learning rate."""
        return replace(self, descent=self.descent.with_rate(learning_rate))

    def plain(self) -> "LinearSystem":
        """Return the same system under gradient descent, without a target network."""
        return replace(self.without_target(), descent=self.descent.plain())


def _averaged_rows(
    K: Tensor, successors: Tensor, step: Tensor, polyak: float
) -> tuple[Tensor, Tensor]:
    """Return the increments of TD errors ε ``[N, A, 2N]`` and of an averaged target's lag ℓ.

    ε ← ε − KPε + τK'_wP(ℓ + ε),  ℓ ← (1 − τ)(ℓ + ε), where θ − θ̄ = JᵀPℓ.
    """
    moved = polyak * successors @ step  # [N, A, N]
    eye = torch.eye(len(K), dtype=K.dtype)
    upper = torch.cat([moved - (K @ step)[:, None, :], moved], 2)
    return upper, torch.cat([(1 - polyak) * eye, -polyak * eye], 1)
