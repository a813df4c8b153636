"""The nonlinear update itself: what each step of a network contracts, beside what is certified."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from qdiverge.checks import check_positive
from qdiverge.mdp.array_checks import check_pairs_rho
from qdiverge.mdp.bellman import optimal_backup
from qdiverge.mdp.linearised_network import linearise
from qdiverge.mdp.model import MDP


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """A network's distances to Q* along its own updates, each beside the U₃ of that moment.

    U₃ has the fixed point Q* and the modulus β_t, so
    ‖Q_{t+1} − Q*‖∞ ≤ β_t ‖Q_t − Q*‖∞ + ‖Q_{t+1} − U₃ Q_t‖∞: what exceeds the certified contraction
    is the remainder of the linearisation.
    """

    distances: np.ndarray  # ‖Q_t − Q*‖∞ [T + 1]
    factors: np.ndarray  # measured contraction of each update [T]
    moduli: np.ndarray  # β_t of U₃ with the kernel of that moment [T]
    remainders: np.ndarray  # ‖Q_{t+1} − U₃ Q_t‖∞ [T]


def measure_network(
    q_net: nn.Module,
    mdp: MDP,
    q_star: np.ndarray,
    num_updates: int,
    learning_rate: float,
    rho: np.ndarray | None = None,
) -> NetworkRun:
    """Train a copy by θ ← θ + αJᵀD(T*Q − Q) and measure each update's contraction towards Q*.

    Source: Achiam, Knight & Abbeel 2019 (arXiv:1903.08894): Q' = U₃ Q + O(‖θ' − θ‖²).

    Args:
        q_net: maps features ``[S, k]`` to Q-values ``[S, A]``; left as it is.
        mdp: the problem.
        q_star: Q* ``[S, A]``.
        num_updates: T, each with a fresh kernel over every pair.
        learning_rate: α of ½ Σ ρδ².
        rho: sampling distribution over the pairs ``[S·A]``; uniform by default.

    >>> table = nn.Linear(1, 1, bias=False).double()  # one state, one action: U₃ is U₁
    >>> with torch.no_grad(): _ = table.weight.fill_(0.0)
    >>> chain = MDP([[[1.0]]], [[1.0]], 0.5, observations=np.ones((1, 1)))
    >>> run = measure_network(table, chain, np.array([[2.0]]), 2, 0.5)
    >>> run.distances.tolist(), run.moduli.tolist()  # 1 − α(1 − γ) = 0.75
    ([2.0, 1.5, 1.125], [0.75, 0.75])
    """
    check_positive("num_updates", num_updates)
    weights = check_pairs_rho(None if rho is None else np.ravel(rho), mdp.rewards.size)
    net = copy.deepcopy(q_net).double()
    values, predictions, moduli = [], [], []
    for _ in range(num_updates):
        linear = linearise(net, mdp, learning_rate, rho)
        values.append(linear.q)
        predictions.append(linear.operator(linear.q))
        moduli.append(linear.operator.modulus)
        _descend(net, mdp, learning_rate, weights)
    with torch.no_grad():
        values.append(net(torch.from_numpy(mdp.features.copy())).numpy())
    q = np.stack(values)  # [T + 1, S, A]
    distances = np.abs(q - q_star).max((1, 2))
    return NetworkRun(
        distances=distances,
        factors=distances[1:] / distances[:-1],
        moduli=np.array(moduli),
        remainders=np.abs(q[1:] - np.stack(predictions)).max((1, 2)),
    )


def _descend(net: nn.Module, mdp: MDP, learning_rate: float, weights: np.ndarray) -> None:
    """Take one step of gradient descent on ½ Σ ρ (T*Q − Q)², the target held fixed."""
    q = net(torch.from_numpy(mdp.features.copy()))
    target = torch.from_numpy(optimal_backup(mdp, q.detach().numpy()))
    rho = torch.from_numpy(weights.copy()).reshape(target.shape)
    trained = [p for p in net.parameters() if p.requires_grad]
    slopes = torch.autograd.grad(0.5 * (rho * (target - q) ** 2).sum(), trained)
    with torch.no_grad():
        for p, slope in zip(trained, slopes, strict=True):
            p.sub_(learning_rate * slope)
