"""The gradient seen from prediction space: K = J Jᵀ and J g, on which hypotheses are compared.

A hypothesis w = ∂L/∂Q with the best scale c leaves ‖g − c Jᵀw‖² = ‖g‖² − (wᵀJg)²/(wᵀKw)
unexplained: products of N × N, whatever the number of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.kernel import NTK
from qdiverge.kernel.matvec import times_jacobian
from qdiverge.kernel.network import read_network, untouched
from qdiverge.kernel.pairs import check_pairs
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.columns import Array
from qdiverge.update.auditing.reading import numbers

ALL_LIMIT = 2048  # rows of a kernel over every action
CUT = 1e-6  # of the largest eigenvalue: below it a float32 kernel is rounding


@dataclass(frozen=True)
class Gram:
    """K, J g and ‖g‖² over the rows of J.

    Attributes:
        K: [R, R].
        u: J g, [R].
        square: ‖g‖².
        num_actions: A where there are rows for every action (R = N A), else 1.
    """

    K: Array
    u: Array
    square: float
    num_actions: int = 1

    def at(self, actions: Array) -> Gram:
        """Return the rows of the chosen actions, integers [N]."""
        if self.num_actions == 1:
            return self
        rows = np.arange(len(actions)) * self.num_actions + actions.astype(int)
        return Gram(self.K[np.ix_(rows, rows)], self.u[rows], self.square)

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

    def project(self) -> tuple[Array, float, Array, float]:
        """Return w of least ‖g − Jᵀw‖, the share of ‖g‖² that it explains, and what it knows.

        Eigenvalues below CUT are left out. The third, [R], is the share of each row's unit vector
        in the others: 1 where w_i is determined. The last: what may be lost with those left out.
        """
        values, vectors = np.linalg.eigh((self.K + self.K.T) / 2)
        kept = values > CUT * max(values[-1], 0.0)
        values, vectors = values[kept], vectors[:, kept]
        along = vectors.T @ self.u
        explained = float((along**2 / values).sum() / self.square) if len(values) else 0.0
        w = vectors @ (along / values)
        lost = CUT * float(values[-1] * (w @ w)) / self.square if len(values) else 1.0
        return w, min(explained, 1.0), (vectors**2).sum(1), lost


def make_gram(module: nn.Module, batch: Transitions, num_actions: int, trained: set[int]) -> Gram:
    """Return K and J g of a network whose parameters hold a gradient.

    Args:
        module: A Q-network, or a critic with one value.
        batch: The pairs.
        num_actions: A; 1 for a critic.
        trained: The ids of the parameters that count: J's columns.

    Raises:
        UnsupportedNetworkError: it mixes samples or draws random numbers.
    """
    is_whole = 1 < num_actions * len(batch) <= ALL_LIMIT and num_actions > 1
    actions = "all" if is_whole else batch.actions
    named = dict(module.named_parameters())
    scales: dict[str, Tensor] | None = None
    learning = {k: p for k, p in named.items() if p.requires_grad}
    if any(id(p) not in trained for p in learning.values()):
        scales = {k: torch.full_like(p, float(id(p) in trained)) for k, p in learning.items()}
    K = numbers(NTK(module, preconditioner=scales).kernel(batch.observations, actions))
    rows = int(np.sqrt(K.size))
    with untouched(module):
        network = read_network(module)
        device = next(iter(network.params.values())).device
        pairs = check_pairs(batch.observations, actions, device=device)
        gradient = {k: torch.zeros_like(p) for k, p in network.params.items()}
        for k in gradient:
            if id(named[k]) in trained and (g := named[k].grad) is not None:
                gradient[k] = g.detach().to_dense()
        u = numbers(times_jacobian(network, pairs, gradient)).reshape(rows)
    square = float(sum(g.double().square().sum() for g in gradient.values()))
    return Gram(K.reshape(rows, rows), u, square, num_actions if is_whole else 1)
