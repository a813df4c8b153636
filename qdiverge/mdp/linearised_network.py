"""A Q-network and its linearisation at a moment, both trained exactly on an MDP."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from qdiverge.calling import own_errors
from qdiverge.checks import check_integer, check_positive
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.kernel import NTK
from qdiverge.kernel.network import read_network, untouched
from qdiverge.mdp.array_checks import check_pairs_rho
from qdiverge.mdp.bellman import optimal_backup
from qdiverge.mdp.model import MDP
from qdiverge.mdp.operators import UpdateOperator, kernel_operator
from qdiverge.tensor_checks import check_numbers
from qdiverge.thing_checks import check_instance, type_of


@dataclass(frozen=True, eq=False)
class LinearisedNetwork:
    """Q(θ) ≈ Q(θ₀) + J(θ − θ₀): its updates are U₃ with the frozen kernel K = JJᵀ."""

    q: np.ndarray  # Q(θ₀) [S, A]
    operator: UpdateOperator

    def train(self, num_updates: int, *, target_period: int = 1) -> np.ndarray:
        """Return Q of each expected update, ``[T + 1, S, A]``.

        Raises:
            InvalidValueError: a number is no integer of at least 1.
        """
        num_updates = check_integer("num_updates", num_updates, 1)
        target_period = check_integer("target_period", target_period, 1)
        q = np.empty((num_updates + 1, *self.q.shape))
        q[0], target = self.q, self.q
        for t in range(num_updates):
            δ = (optimal_backup(self.operator.mdp, target) - q[t]).ravel()
            q[t + 1] = q[t] + (self.operator.step @ δ).reshape(self.q.shape)
            target = q[t + 1] if (t + 1) % target_period == 0 else target
        return q


def linearise(
    q_net: nn.Module, mdp: MDP, learning_rate: float, rho: np.ndarray | None = None
) -> LinearisedNetwork:
    """Return the network's linearisation at its parameters, over every pair of ``mdp``, in float64.

    Args:
        q_net: maps features ``[S, k]`` to Q-values ``[S, A]``; it is only read.
        mdp: the problem, its ``features`` being what the network sees.
        learning_rate: α of ½ Σ ρδ².
        rho: sampling distribution over the pairs ``[S·A]``; uniform by default.

    Raises:
        InvalidValueError: the network does not give [S, A], or another argument is unfit.
        UnsupportedNetworkError: the network mixes samples or draws random numbers.
    """
    check_instance("mdp", mdp, MDP)
    observations, N = torch.from_numpy(mdp.features.copy()), mdp.rewards.size
    ntk = NTK(q_net, dtype=torch.float64)
    params, _ = _parameters(q_net)
    q = _values(q_net, params, observations, mdp)
    K = ntk.kernel(observations, "all").reshape(N, N)
    K = (K + K.T) / 2
    return LinearisedNetwork(
        q.detach().numpy(), kernel_operator(mdp, K.detach().numpy(), learning_rate, rho)
    )


def train_network(
    q_net: nn.Module,
    mdp: MDP,
    num_updates: int,
    learning_rate: float,
    rho: np.ndarray | None = None,
    *,
    target_period: int = 1,
) -> np.ndarray:
    """Return Q of the true network along θ ← θ + αJᵀD(T*Q_θ̄ − Q_θ), ``[T + 1, S, A]``.

    Expected updates over every pair, plain gradient descent, in float64 on copies: the module is
    left as it is. Arguments as for :func:`linearise`; ``target_period`` updates share a target.

    Raises:
        InvalidValueError: the network does not give [S, A], or a number is out of range.
    """
    check_instance("mdp", mdp, MDP)
    learning_rate = check_positive("learning_rate", learning_rate)
    num_updates = check_integer("num_updates", num_updates, 1)
    target_period = check_integer("target_period", target_period, 1)
    observations = torch.from_numpy(mdp.features.copy())
    weights = torch.tensor(check_pairs_rho(rho, mdp.rewards.size)).reshape(mdp.rewards.shape)
    params, names = _parameters(q_net)
    q = np.empty((num_updates + 1, *mdp.rewards.shape))
    for t in range(num_updates + 1):
        values = _values(q_net, params, observations, mdp)
        q[t] = values.detach().numpy()
        if t % target_period == 0:
            target = torch.from_numpy(optimal_backup(mdp, q[t]))
        loss = 0.5 * (weights * (target - values) ** 2).sum()
        slopes = torch.autograd.grad(loss, [params[name] for name in names])
        for name, slope in zip(names, slopes, strict=True):
            params[name] = (params[name] - learning_rate * slope).detach().requires_grad_()
    return q


def linearisation_gap(true: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Return ‖Q_t − Q_t^lin‖∞ / ‖Q_t − Q_0‖∞ of each update but the first, ``[T]``.

    Raises:
        InvalidTypeError, InvalidValueError: the two are no Q-values ``[T + 1, S, A]`` of one shape.
    """
    true, linear = check_numbers("true", true), check_numbers("linear", linear)
    if true.ndim != 3 or true.shape != linear.shape or not true.size:
        raise InvalidValueError(
            "true and linear must both be [T + 1, S, A]",
            got=f"{list(true.shape)} and {list(linear.shape)}",
        )
    moved = np.abs(true - true[0]).max((1, 2))[1:]
    gap = np.abs(true - linear).max((1, 2))[1:]
    return gap / np.maximum(moved, np.finfo(float).tiny)


def _parameters(q_net: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """Return float64 copies of parameters and buffers, and the names that are trained."""
    network = read_network(q_net, torch.float64)
    params = network.params | network.frozen | network.buffers
    names = list(network.params)
    for name in names:
        params[name].requires_grad_()
    return params, names


def _values(q_net: nn.Module, params: dict[str, Tensor], observations: Tensor, mdp: MDP) -> Tensor:
    """Return Q [S, A]."""
    with own_errors("q_net", observations), untouched(q_net):
        values = functional_call(q_net, params, (observations,))
    if not isinstance(values, Tensor):
        raise InvalidTypeError("q_net must return Q-values [S, A]", got=type_of(values))
    if values.shape != mdp.rewards.shape:
        raise InvalidValueError(
            f"q_net must map features {list(observations.shape)} "
            f"to Q-values {list(mdp.rewards.shape)}",
            got=list(values.shape),
        )
    return values
