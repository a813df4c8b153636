"""Deep Q-learning (Mnih et al. 2015): the target, the error, and one gradient step.

y_i = r_i + γ (1 − d_i) max_a Q⁻(s'_i, a),  δ_i = y_i − Q(s_i, a_i),  minimise mean_i ℓ(δ_i)

Departures: without a target network, Q⁻ is the network that learns (still no gradient through y).
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.config import DQNConfig
from qdiverge.diagnostics.transitions import Transitions


def td_targets(
    rewards: Tensor, terminated: Tensor, next_q_values: Tensor, discount: float
) -> Tensor:
    """What Q(s, a) should be: y_i = r_i + γ (1 − d_i) max_a Q⁻(s'_i, a).

    Source: Mnih et al. (2015), Algorithm 1.

    Args:
        rewards: [N].
        terminated: bool [N], d.
        next_q_values: [N, A], Q⁻(s', ·).
        discount: γ.

    Returns:
        [N].

    >>> flags, values = torch.tensor([False, True]), torch.tensor([[2.0, 4.0], [2.0, 4.0]])
    >>> td_targets(torch.tensor([1.0, 1.0]), flags, values, discount=0.5)  # 1 + 4/2, 1
    tensor([3., 1.])
    """
    bootstrap = next_q_values.amax(dim=1).masked_fill(terminated, 0.0)
    return rewards + discount * bootstrap


def td_errors(q_values: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    """How far Q is below its target: δ_i = y_i − Q(s_i, a_i).

    Args:
        q_values: [N, A].
        actions: integers [N].
        targets: [N], y.

    Returns:
        [N].

    >>> values = torch.tensor([[2.0, 4.0], [2.0, 4.0]])
    >>> td_errors(values, torch.tensor([0, 1]), torch.tensor([3.0, 1.0]))
    tensor([ 1., -3.])
    """
    return targets - q_values.gather(1, actions[:, None]).squeeze(1)


def td_loss(errors: Tensor, loss: str) -> Tensor:
    """The mean of ℓ(δ).

        "mse": ℓ(δ) = δ²/2.    "huber": the same for |δ| ≤ 1, then |δ| − 1/2.

    Both have the gradient δ near 0, so the same learning rate means the same step; Huber's is
    clipped to [−1, 1], the error clipping of Mnih et al. (2015).

    Args:
        errors: [N], δ.
        loss: ``"huber"`` or ``"mse"``.

    Returns:
        [].

    >>> errors = torch.tensor([1.0, -3.0])
    >>> td_loss(errors, "mse"), td_loss(errors, "huber")  # (1/2 + 9/2)/2, (1/2 + 5/2)/2
    (tensor(2.5000), tensor(1.5000))
    """
    if loss == "mse":
        return errors.square().mean() / 2
    size = errors.abs()
    return torch.where(size <= 1, errors.square() / 2, size - 0.5).mean()


@dataclass(frozen=True)
class Update:
    """What one update saw, all of it from before its step.

    Args:
        loss: mean ℓ(δ).
        td_abs_mean: mean |δ|.
        td_abs_max: max |δ|.
        q_mean: mean of Q(s_i, a_i).
        q_max: max over the batch and all actions of Q(s_i, a).
        is_finite: False where the loss is NaN or infinite; then no step was taken.
    """

    loss: float
    td_abs_mean: float
    td_abs_max: float
    q_mean: float
    q_max: float
    is_finite: bool


class DQN:
    """A Q-network, its target network and its optimiser; all three are public.

    Args:
        q_network: Takes the observations, gives Q-values [N, A]. Used in place.
        config: The numbers.

    >>> from qdiverge.agents.networks import MLP
    >>> config = DQNConfig(discount=0.5, optimizer="sgd", learning_rate=0.1, loss="mse")
    >>> agent = DQN(MLP([1, 2]), config)
    >>> weight, bias = agent.q_network.parameters()
    >>> with torch.no_grad(): _ = weight.fill_(0.0), bias.fill_(1.0)
    >>> agent.sync_target()
    >>> s, end = torch.ones(1, 1), torch.tensor([False])
    >>> update = agent.update(Transitions(s, torch.tensor([0]), torch.tensor([2.0]), s, end))
    >>> update.loss, [round(v, 3) for v in bias.tolist()]  # δ = 2 + 1/2 − 1, bias + 0.1 δ
    (1.125, [1.15, 1.0])
    """

    def __init__(self, q_network: nn.Module, config: DQNConfig) -> None:
        self.config = config
        self.q_network = q_network
        self.target_network: nn.Module | None = None
        if config.use_target_network:
            self.target_network = copy.deepcopy(q_network).requires_grad_(False)
        self.optimizer = make_optimizer(q_network, config)

    @torch.no_grad()
    def act(self, observations: NDArray[np.generic]) -> NDArray[np.int64]:
        """The greedy actions, argmax_a Q(s, a).

        Args:
            observations: [E, ...].

        Returns:
            integers [E].
        """
        q_values: Tensor = self.q_network(torch.from_numpy(observations))
        actions: NDArray[np.int64] = q_values.argmax(dim=1).numpy()
        return actions

    def update(self, batch: Transitions) -> Update:
        """One gradient step on ``batch``; where the loss is not finite, none.

        Args:
            batch: N transitions.

        Returns:
            The loss and what else the step saw.
        """
        bootstrap = self.q_network if self.target_network is None else self.target_network
        with torch.no_grad():
            next_q_values = bootstrap(batch.next_observations)  # [N, A]
            targets = td_targets(
                batch.rewards, batch.terminated, next_q_values, self.config.discount
            )
        q_values = self.q_network(batch.observations)  # [N, A]
        errors = td_errors(q_values, batch.actions, targets)  # [N]
        loss = td_loss(errors, self.config.loss)
        loss_value = loss.item()
        is_finite = math.isfinite(loss_value)
        if is_finite:
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        seen = errors.detach().abs()
        return Update(
            loss=loss_value,
            td_abs_mean=seen.mean().item(),
            td_abs_max=seen.max().item(),
            q_mean=(targets - errors.detach()).mean().item(),
            q_max=q_values.detach().max().item(),
            is_finite=is_finite,
        )

    def sync_target(self) -> None:
        """Copy the network into its target network; nothing to do without one."""
        if self.target_network is not None:
            self.target_network.load_state_dict(self.q_network.state_dict())


def make_optimizer(q_network: nn.Module, config: DQNConfig) -> torch.optim.Optimizer:
    """The optimiser that ``config`` names, over every parameter.

    Returns:
        Fused Adam; the centred RMSProp of Mnih et al. (2015), Extended Data Table 1 (decay .95,
        constant .01), except that PyTorch adds the constant outside the root; or plain SGD.
    """
    parameters = q_network.parameters()
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            parameters, lr=config.learning_rate, alpha=0.95, eps=0.01, centered=True
        )
    return torch.optim.SGD(parameters, lr=config.learning_rate)
