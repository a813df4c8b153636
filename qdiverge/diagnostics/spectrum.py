"""The spectral rate of a batch too large for a dense kernel: products K·v and Arnoldi."""

from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.blocks import pairs_and_successors
from qdiverge.diagnostics.diagnose import make_moment
from qdiverge.diagnostics.quiet import quiet
from qdiverge.kernel import NTK
from qdiverge.td import bootstrap_weights
from qdiverge.theory import SpectralBounds, spectral_bounds


def batch_spectrum(
    q_net: nn.Module,
    batch: Any,
    discount: float = 0.99,
    learning_rate: float = 1e-4,
    *,
    target: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    dense_limit: int = 0,
    count: int = 6,
) -> SpectralBounds:
    """Return the leading eigenvalues of AD at the greedy successors, K never held.

    Each product (K v, K' v) is one Jacobian-vector pair over X and its successors.

    Args:
        q_net: As in :func:`qdiverge.diagnose`, like the arguments that are not named here.
        batch: N transitions, any N.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i².
        target: The network that makes the bootstrap target.
        optimizer: A live optimiser, whose second moments shape the kernel.
        dense_limit: N up to which AD is formed column by column and solved densely.
        count: How many eigenvalues, of largest modulus and of largest real part.

    >>> q_net = nn.Linear(1, 1, bias=False)
    >>> with torch.no_grad(): _ = q_net.weight.fill_(1.0)
    >>> s, a = torch.ones(8, 1), torch.zeros(8, dtype=torch.int64)
    >>> w_to_2w = {"obs": s, "act": a, "rew": torch.zeros(8), "obs_next": 2 * s, "done": 0 * s}
    >>> bounds = batch_spectrum(q_net, w_to_2w, discount=0.9, learning_rate=0.1)
    >>> round(bounds.self_excitation, 5), round(bounds.spectral_radius, 5)  # 2γ − 1, 1 + α(2γ − 1)
    (0.8, 1.08)
    """
    moment = make_moment(q_net, batch, discount, learning_rate, target=target, optimizer=optimizer)
    N, both = len(moment.batch), pairs_and_successors(moment)
    weight = bootstrap_weights(moment.discount, moment.batch.terminated, moment.q.dtype)
    ntk = NTK(moment.q_network, preconditioner=moment.preconditioner)
    last: dict[str, Tensor] = {}

    def products(v: Tensor) -> Tensor:
        """Return [K v, k(X', X) v], computed once for the two callers."""
        if "v" not in last or not torch.equal(last["v"], v):
            padded = torch.cat([v, torch.zeros_like(v)])
            with quiet(moment.q_network):
                last["Kv"] = ntk.matvec(both.observations, both.actions, padded)
            last["v"] = v.clone()
        return last["Kv"]

    return spectral_bounds(
        lambda v: products(v)[:N],
        lambda v: weight * products(v)[N:],
        torch.full((N,), 1 / N, dtype=moment.q.dtype, device=moment.q.device),
        moment.learning_rate,
        dense_limit=dense_limit,
        count=count,
    )
