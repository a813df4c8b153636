"""Is the network linear as far as a certificate speaks of it?

A certified linear system goes on until D(δ + A c) = 0, at θ + MJᵀc: one step may be as good as
linear while that end is far beyond where K holds. And of the update's derivative the kernels hold
JᵀDAJ alone, not Σ D_i δ_i ∇²Q_i: each step of the spiral of Tsitsiklis & Van Roy (1997, section 10)
is as good as linear, its radius is below 1, and its values grow for ever.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.func import functional_call

from qdiverge.diagnostics.blocks import selection_of
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet
from qdiverge.td import bootstrap_weights, values_of
from qdiverge.theory.spectral import Reachable, modes, reachable_directions
from qdiverge.update import UpdateRule

Moved = Callable[..., tuple[Tensor, Tensor]]  # of c and a size: Q, and what is bootstrapped from
_SLOWEST = 4  # modes whose curvature is looked at
_STEP = 1e-2  # of ‖θ‖: how far a second difference looks


def path_errors(
    moment: Moment, rule: UpdateRule, K: Tensor, ahead: Tensor, weights: Tensor
) -> tuple[float, float]:
    """Return how far the network departs from its linearisation where a verdict relies on it.

    Args:
        moment: The networks, the batch.
        rule: The update.
        K: kernel of all critics ``[nN, nN]``.
        ahead: K' at the present actions.
        weights: D ``[nN]``, as if no error were clipped.

    Returns:
        ‖ΔQ − JΔθ‖/‖JΔθ‖ over the values and what they bootstrap from, at the end of the linear
        path; and the largest share of a slow mode's decay that the curvature Σ D_i δ_i ∇²Q_i,
        which no kernel holds, takes back.
    """
    K, ahead, D = (x.detach().cpu().double() for x in (K, ahead, weights))
    parts, N = [Part(each) for each in moment.each_critic], len(moment.batch)
    selection = selection_of(moment, rule)
    γ = bootstrap_weights(moment.row_discounts, moment.batch.terminated, torch.float64)
    q = torch.cat([part.values() for part in parts]).cpu()
    δ = (moment.q.double() + moment.td_errors.double()).cpu().repeat(len(parts)) - q
    eps = torch.finfo(next(iter(parts[0].θ.values())).dtype).eps
    reach = reachable_directions(K, ahead, D, eps)
    if not len(reach.rates):
        return 0.0, 0.0

    def moved(c: Tensor, size: float = 1.0) -> tuple[Tensor, Tensor]:
        """Return Q [nN], and what is bootstrapped from [N], at θ + size MJᵀc."""
        own, after = [], torch.zeros(N, dtype=torch.float64)
        for m, part in enumerate(parts):
            values, following = part.at(c[m * N : (m + 1) * N], size)
            own.append(values.cpu())
            share = (γ * selection[:, m].to(γ)).cpu()
            after += torch.where(share == 0, 0.0, share * following.cpu())
        return torch.cat(own), after

    c = reach.basis @ torch.linalg.lstsq(
        reach.ahead - torch.diag(reach.rates), -(reach.basis.T @ δ)[:, None]
    ).solution.squeeze(1)
    start, end = moved(0 * c), moved(c)
    expected = torch.cat([K @ c, (ahead @ c)[:N]])
    actual = torch.cat([b - a for a, b in zip(start, end, strict=True)])
    floor = 1e3 * eps * float(torch.cat(start).norm())
    error = float((actual - expected).norm()) / (float(expected.norm()) + floor or 1.0)
    if float(δ.abs().max()) == 0:
        return error, 0.0
    return error, max(_bent(parts, moved, D * δ, start[0], reach, eps))


class Part:
    """One critic, or the Q-network: its values where its parameters are moved by MJᵀc."""

    def __init__(self, moment: Moment) -> None:
        self.moment, self.network = moment, moment.q_network
        self.M = moment.preconditioner
        self.θ = {n: p.detach() for n, p in self.network.named_parameters() if p.requires_grad}

    def _q(self, θ: dict[str, Tensor], pairs: tuple[Tensor, Tensor]) -> Tensor:
        if self.moment.is_critic:
            return functional_call(self.network, θ, pairs).reshape(-1)
        return values_of(functional_call(self.network, θ, pairs[:1]), pairs[1])

    @torch.no_grad()
    def values(self) -> Tensor:
        """Return Q(s_i, a_i) ``[N]``."""
        with quiet(self.network):
            return self._q(self.θ, self.moment.pairs).double()

    def direction(self, c: Tensor) -> dict[str, Tensor]:
        """Return MJᵀc."""
        θ = {n: p.clone().requires_grad_() for n, p in self.θ.items()}
        with quiet(self.network), torch.enable_grad():
            q = self._q(θ, self.moment.pairs)
            rows = torch.autograd.grad(q, list(θ.values()), c.to(q), allow_unused=True)
        return {
            n: torch.zeros_like(p) if g is None else (g if self.M is None else self.M[n] * g)
            for (n, p), g in zip(self.θ.items(), rows, strict=True)
        }

    def at(self, c: Tensor, size: float) -> tuple[Tensor, Tensor]:
        """Return Q(s_i, a_i) and Q(s'_i, a'_i) at θ + size MJᵀc, ``[N]`` each."""
        step = self.direction(c)
        with quiet(self.network), torch.no_grad():
            θ = {n: p + size * step[n] for n, p in self.θ.items()}
            return self._q(θ, self.moment.pairs).double(), self._q(
                θ, self.moment.next_pairs
            ).double()


def _bent(
    parts: list[Part], moved: Moved, pull: Tensor, q: Tensor, reach: Reachable, eps: float
) -> list[float]:
    """Return (d²/dz² Σ D_i δ_i Q_i) / zᵀΛz over the decay of each of the slowest modes."""
    found = modes(reach.ahead - torch.diag(reach.rates), eps)
    slowest = found.eigenvalues.real.argsort(descending=True)[:_SLOWEST]
    length = _norm(part.θ for part in parts) or 1.0
    shares = [0.0]
    for ν, v in ((found.eigenvalues[k], found.vectors[:, k].real) for k in slowest.tolist()):
        c, size = reach.basis @ v, float(v @ (reach.rates * v))
        steps = zip(parts, c.chunk(len(parts)), strict=True)
        norm = _norm(part.direction(own) for part, own in steps)
        if norm == 0 or size <= 0 or ν.real >= 0:
            continue
        h = _STEP * length / norm
        second = float(pull @ (moved(c, h)[0] - 2 * q + moved(c, -h)[0])) / h**2
        noise = 8 * eps * float(pull.abs() @ q.abs()) / h**2
        shares.append(max(0.0, second - noise) / size / -float(ν.real))
    return shares


def _norm(steps: Iterable[dict[str, Tensor]]) -> float:
    return sum(float(p.double().square().sum()) for step in steps for p in step.values()) ** 0.5
