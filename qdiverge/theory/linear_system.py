"""The frozen-kernel system that the verdicts speak of: its step, modes, growth and certificate."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdiverge.theory.spectral import (
    Modes,
    Reachable,
    modes,
    reachable_directions,
    spectral_radius,
)
from qdiverge.theory.target_network import (
    period_gain,
    period_increment,
    period_step,
    polyak_increment,
)
from qdiverge.theory.td_error import TDErrorCertificate, td_error_certificate, td_increments


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """δ ← (I + (K'_w − K)P_C) δ with row-wise mixtures w; float64 on the CPU."""

    kernel: Tensor  # K [N, N]
    successors: Tensor  # K'_a [N, A, N]
    weights: Tensor  # ρ [N]
    learning_rate: float
    period: int  # C
    polyak: float | None  # τ instead of a period
    eps: float  # machine epsilon of the kernels' entries

    @property
    def is_switching(self) -> bool:
        """Return whether the greedy actions matter at all."""
        return bool((self.successors != self.successors[:, :1]).any())

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

    def _increment(self, reach: Reachable) -> tuple[Tensor, float, float]:
        """Return the step minus the identity, the precision, and the norm of what cancels."""
        if self.polyak is None:
            increment, scale = period_increment(reach, self.learning_rate, self.period)
            return increment, self.eps, scale
        return polyak_increment(reach, self.learning_rate, self.polyak), self.eps, 0.0

    def growth(self, found: Modes, reach: Reachable) -> Tensor:
        """Return q_{i,a}: how the dominant mode moves the successors' values, complex [N, A]."""
        z = found.vectors[:, found.dominant]
        if self.polyak is None:
            z = z * period_gain(reach.rates, self.learning_rate, self.period)
        else:
            z = z[len(z) // 2 :]  # the target's half
        return self.successors.to(z.dtype) @ (reach.basis.to(z.dtype) @ z)

    def step(self) -> Tensor:
        """Return P_C [N, N]; αD with an averaged target."""
        return period_step(self.kernel, self.weights, self.learning_rate, self.period)

    def certificate(self) -> TDErrorCertificate:
        """Certify the system under every greedy switching, allowing for rounding."""
        scale = max(float(self.kernel.abs().max()), float(self.successors.abs().max()))
        if self.polyak is None:
            step = self.step()
            rows = td_increments(self.kernel, self.successors, step)
            return td_error_certificate(rows, 2 * self.eps * scale * step.abs().sum(0))
        step = self.learning_rate * self.weights
        rows = _averaged_rows(self.kernel, self.successors, step, self.polyak)
        return td_error_certificate(rows, 2 * self.eps * scale * torch.cat([step, step]))

    def without_target(self) -> "LinearSystem":
        """Return the same system with a target that follows at every update."""
        return replace(self, period=1, polyak=None)

    def without_bootstrapping(self) -> "LinearSystem":
        """Return the same system at γ = 0."""
        return replace(self, successors=torch.zeros_like(self.kernel)[:, None, :], polyak=None)

    def with_step(self, learning_rate: float) -> "LinearSystem":
        """Return the same system with another learning rate."""
        return replace(self, learning_rate=learning_rate)


def _averaged_rows(K: Tensor, successors: Tensor, step: Tensor, polyak: float) -> Tensor:
    """Return the increments [2N, A, 2N] of TD errors ε and scaled lag ℓ of an averaged target.

    ε ← ε − KPε + τK'_wP(ℓ + ε),  ℓ ← (1 − τ)(ℓ + ε), where θ − θ̄ = JᵀPℓ.
    """
    moved = polyak * successors * step  # [N, A, N]
    eye = torch.eye(len(K), dtype=K.dtype)
    upper = torch.cat([moved - (K * step)[:, None, :], moved], 2)
    lower = torch.cat([(1 - polyak) * eye, -polyak * eye], 1)[:, None, :]
    return torch.cat([upper, lower.expand(-1, successors.shape[1], -1)])
