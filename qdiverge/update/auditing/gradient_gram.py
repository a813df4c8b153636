"""The gradient seen from prediction space: K = J Jᵀ and J g, on which hypotheses are compared.

A hypothesis w = ∂L/∂Q with the best scale c leaves ‖g − c Jᵀw‖² = ‖g‖² − (wᵀJg)²/(wᵀKw)
unexplained: products of N × N, whatever the number of parameters.

Both are made in float64 from the network's own weights, so that the rounding of g alone limits what
is read: directions along which J is 1e-6 of its largest still tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.kernel import NTK
from qdiverge.kernel.matvec import times_jacobian
from qdiverge.kernel.network import Network, read_network, untouched
from qdiverge.kernel.pairs import Pairs, check_pairs
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.case import LAYERS, MOST, ROUNDINGS
from qdiverge.update.auditing.td_columns import Array

ALL_LIMIT = 2048  # rows of a kernel over every action
# Of 240 loops of 12 networks, batches of 32 and 128: rounding was 1.2e-7 to 3.9e-7 of |g|. Where
# only slopes were wrong, 2.6e-3 floor² of |g|² was outside the span, at most; with another loss or
# an old gradient, 480 floor² at least. Slopes were off by 0.23 of the error claimed, at most.
CUT = 1e-13  # of the largest eigenvalue: below it a float64 kernel is rounding
COARSE = 1e-6  # of the same: what is above shows how large the slopes are
BLURRED = 0.1  # of that size: directions in which rounding is larger are left out


@dataclass(frozen=True)
class Projection:
    """The slopes of least ‖g − Jᵀw‖, and how well they are known.

    Attributes:
        w: [R].
        explained: The share of ‖g‖² in the span of J's rows.
        error: How far rounding may have moved each w, [R].
        lost: The share of ‖g‖² that directions too small to be seen may hold.
    """

    w: Array
    explained: float
    error: Array
    lost: float


@dataclass(frozen=True)
class Gram:
    """K, J g and ‖g‖² over the rows of J.

    Attributes:
        K: [R, R].
        u: J g, [R].
        square: ‖g‖².
        num_actions: A where there are rows for every action (R = N A), else 1.
        noise: ‖rounding of g‖/‖g‖, as it was measured.
        floor: What is taken for rounding: several times that.
        cut: Of the largest eigenvalue: below it K itself is rounding.
    """

    K: Array
    u: Array
    square: float
    num_actions: int = 1
    noise: float = 0.0
    floor: float = 0.0
    cut: float = CUT

    def at(self, actions: Array) -> Gram:
        """Return the rows of the chosen actions, integers [N]."""
        if self.num_actions == 1:
            return self
        rows = np.arange(len(actions)) * self.num_actions + actions.astype(int)
        return replace(self, K=self.K[np.ix_(rows, rows)], u=self.u[rows], num_actions=1)

    def unexplained(self, slopes: Array) -> Array:
        """Return the share of ‖g‖² that each hypothesis leaves, [H], for slopes w [H, R].

        >>> Gram(np.eye(2), np.array([3.0, 4.0]), 25.0).unexplained(np.array([[3.0, 4.0], [1, 0]]))
        array([0.  , 0.64])
        """
        along = np.maximum(slopes @ self.u, 0.0)
        sizes = ((slopes @ self.K) * slopes).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = along**2 / (sizes * self.square)
        return np.clip(1.0 - np.where(sizes > 0, share, 0.0), 0.0, 1.0)

    def project(self) -> Projection:
        """Return the slopes of least ‖g − Jᵀw‖, by K's eigenvectors.

        Rounding of ‖g‖ × noise moves w by at most ‖g‖ noise/√λ along an eigenvector.

        >>> seen = Gram(np.diag([1.0, 1e-20]), np.array([2.0, 0.0]), 4.0, noise=1e-7).project()
        >>> seen.w, seen.explained, seen.error  # nothing is known of the second
        (array([2., 0.]), 1.0, array([2.e-07, 2.e+00]))
        """
        values, vectors = np.linalg.eigh((self.K + self.K.T) / 2)
        top = max(float(values[-1]), 1e-300)
        along = vectors.T @ self.u
        size = self._solved(values, vectors, along, values > COARSE * top)[1]
        noise = self.noise * np.sqrt(self.square) / np.sqrt(np.maximum(values, 1e-300))
        is_seen = values > self.cut * top
        is_clear = is_seen & (noise <= BLURRED * size)
        w, _ = self._solved(values, vectors, along, is_clear)
        error = (vectors**2) @ np.where(is_clear, noise, size) ** 2
        explained = float((along**2)[is_seen] @ (1 / values[is_seen])) / self.square
        lost = self.cut * top * size**2 * float((~is_seen).sum()) / self.square
        return Projection(w, min(explained, 1.0), np.sqrt(error), lost)

    @staticmethod
    def _solved(
        values: Array, vectors: Array, along: Array, kept: np.ndarray
    ) -> tuple[Array, float]:
        """Return w from the eigenvectors that are kept, and its largest entry."""
        w = vectors[:, kept] @ (along[kept] / values[kept])
        return w, float(abs(w).max(initial=0.0))


def make_gram(
    module: nn.Module,
    batch: Transitions,
    num_actions: int,
    pulled: Mapping[int, Tensor],
    slopes: Array,
    unit: float,
) -> Gram:
    """Return K and J g of a network whose parameters hold a gradient.

    Args:
        module: A Q-network, or a critic with one value.
        batch: The pairs.
        num_actions: A; 1 for a critic.
        pulled: Jᵀw in the run's own arithmetic, by the ids of the parameters that count.
        slopes: That w, [N]. How far Jᵀw is from the exact one is what the arithmetic rounds.
        unit: The unit of rounding of the gradient's type.

    Raises:
        UnsupportedNetworkError: it mixes samples or draws random numbers.
    """
    is_whole = 1 < num_actions * len(batch) <= ALL_LIMIT and num_actions > 1
    actions = "all" if is_whole else batch.actions
    named = dict(module.named_parameters())
    device = next(iter(named.values())).device
    exact = None if device.type == "mps" else torch.float64  # which has no float64
    scales: dict[str, Tensor] | None = None
    learning = {k: p for k, p in named.items() if p.requires_grad}
    if any(id(p) not in pulled for p in learning.values()):
        scales = {k: torch.full_like(p, float(id(p) in pulled)) for k, p in learning.items()}
    ntk = NTK(module, preconditioner=scales, dtype=exact)
    K = numbers(ntk.kernel(batch.observations, actions))
    rows = int(np.sqrt(K.size))
    with untouched(module, exact):
        network = read_network(module, exact)
        pairs = check_pairs(batch.observations, actions, device=device, dtype=exact)
        gradient = {k: torch.zeros_like(p) for k, p in network.params.items()}
        for k in gradient:
            if id(named[k]) in pulled and (g := named[k].grad) is not None:
                gradient[k] = g.detach().to_dense().to(gradient[k].dtype)
        u = numbers(times_jacobian(network, pairs, gradient)).reshape(rows)
        chosen = check_pairs(batch.observations, batch.actions, device=device, dtype=exact)
        own = {k: pulled[id(named[k])] for k in gradient if id(named[k]) in pulled}
        noise = rounding_of(network, chosen, slopes, own)
    square = float(sum(g.double().square().sum() for g in gradient.values()))
    K = K.reshape(rows, rows)
    cut = CUT if exact is not None else COARSE
    floor = min(max(ROUNDINGS * noise, LAYERS * unit), MOST)
    return Gram(K, u, square, num_actions if is_whole else 1, max(noise, unit), floor, cut)


def rounding_of(network: Network, pairs: Pairs, w: Array, pulled: Mapping[str, Tensor]) -> float:
    """Return ‖v − Jᵀw‖/‖Jᵀw‖ of v = Jᵀw as another arithmetic makes it, by parameter."""
    params = {k: v.detach().requires_grad_() for k, v in network.params.items()}
    values = network.values(params, pairs)
    weights = torch.as_tensor(w).to(values)[:, None]
    exact = torch.autograd.grad(
        values, [params[k] for k in pulled], weights, materialize_grads=True, allow_unused=True
    )
    size = sum(float(x.double().square().sum()) for x in exact)
    off = sum(
        float((x - v.to(x)).double().square().sum())
        for x, v in zip(exact, pulled.values(), strict=True)
    )
    return math.sqrt(off / max(size, 1e-300))
