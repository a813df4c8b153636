"""Deep Q-learning (Mnih et al. 2015): one gradient step on the equations of :mod:`qdiverge.td`.

Where a distribution is learnt (``distributional``) the equations are those of ``categorical``.

No gradient goes through the target y, also where it bootstraps from the network that learns.

Differs from the paper, whatever the settings, in (those of the presets say how they differ):

1. The losses of a batch are averaged; the published code sums their gradients.
2. Weights start as PyTorch starts them.
3. Several environments may be stepped together, ahead of the updates (``run_loop``).
4. All environments restart at each checkpoint.
5. A loss that is not finite takes no step, and ends the run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.batch_loss import BatchLoss
from qdiverge.agents.discrete.categorical import of_actions
from qdiverge.agents.discrete.equations import DistributionEquation, Equation, ValueEquation
from qdiverge.agents.discrete.optimizers import make_optimizer
from qdiverge.agents.interfaces import Update
from qdiverge.agents.machine.arithmetic import Arithmetic
from qdiverge.agents.networks.categorical_network import CategoricalQ
from qdiverge.agents.networks.noisy import resample_noise, still_noise
from qdiverge.agents.once import Once
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.targets import follow, slow_copy
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.preqn import PreQN
from qdiverge.transitions import Transitions


class DQN:
    """A Q-network, its target network and its optimiser; all three are public, none replaced.

    Args:
        q_network: Takes the observations, gives Q-values [N, A]. Used in place. Where a
            distribution is learnt, a CategoricalQ.
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

    q_network = Once[nn.Module]()
    target_network = Once[nn.Module | None]()
    optimizer = Once[torch.optim.Optimizer]()

    def __init__(self, q_network: nn.Module, config: DQNConfig) -> None:
        if isinstance(q_network, CategoricalQ) != config.distributional:
            raise InvalidTypeError(
                "a CategoricalQ goes with distributional, and no other network does",
                got=f"a {type(q_network).__name__} with distributional {config.distributional}",
                remedy="Change one of the two.",
            )
        self.config = config
        self.q_network = q_network
        self.target_network = slow_copy(q_network) if config.has_target_network else None
        self.optimizer = make_optimizer(q_network, config)
        self.device = next(q_network.parameters()).device
        self.arithmetic = Arithmetic(config.precision, self.device, q_network)
        self.evaluate = self.arithmetic.evaluate
        make: type[Equation[Any]] = DistributionEquation if config.distributional else ValueEquation
        self.equation = make(self.q_network, self.target_network, config, self.evaluate)
        self._noise = torch.Generator().manual_seed(config.seed)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Return all that has weights, by its role."""
        target = self.target_network
        return {"online": self.q_network} | ({} if target is None else {"target": target})

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Return the one there is."""
        return [self.optimizer]

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return every parameter of the network that learns, by its name."""
        return dict(self.q_network.named_parameters())

    def playing_weights(self) -> dict[str, Tensor]:
        """Return the weights of the network that learns."""
        return self.q_network.state_dict()

    def load_playing_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of another network, noisy layers at their mean.

        Args:
            weights: A ``state_dict``; copied.
        """
        self.q_network.load_state_dict(weights)
        still_noise(self.q_network)

    @torch.no_grad()
    def best(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return max_a Q(s, a), [N], and argmax_a Q(s, a), [N], under the noise that there is."""
        q_values = self.evaluate(self.q_network, observations)
        values, actions = q_values.max(dim=1)
        return values, actions

    @torch.no_grad()
    def values_of(self, batch: Transitions) -> Tensor:
        """Return Q(s_i, a_i), [N], under the noise that there is."""
        return of_actions(self.evaluate(self.q_network, batch.observations), batch.actions)

    def act(self, observations: NDArray[np.generic]) -> NDArray[np.int64]:
        """Return the greedy actions, argmax_a Q(s, a).

        Args:
            observations: [E, ...].

        Returns:
            integers [E].
        """
        actions: NDArray[np.int64] = self.q_values(observations).argmax(axis=1)
        return actions

    @torch.no_grad()
    def q_values(self, observations: NDArray[np.generic]) -> NDArray[np.floating]:
        """Return Q(s, ·), under new noise where the network is noisy.

        Args:
            observations: [E, ...].

        Returns:
            [E, A].
        """
        self.resample_noise()
        inputs = torch.from_numpy(observations).to(self.device)
        q_values = self.evaluate(self.q_network, inputs)
        values: NDArray[np.floating] = q_values.cpu().numpy()
        return values

    def update(self, batch: Transitions, number: int = 1) -> Update:
        """Take one gradient step on ``batch``; where the loss is not finite, none.

        Args:
            batch: N transitions.
            number: Of the update; they are all alike.

        Returns:
            The loss and what else the step saw.
        """
        self.resample_noise()
        if isinstance(self.optimizer, PreQN):
            return self._preconditioned(batch, self.optimizer)
        loss = self.loss_of(batch)
        update = loss.read()
        if update.is_finite:
            self.optimizer.zero_grad(set_to_none=True)
            loss.loss.backward()
            self.optimizer.step()
            self.follow()
        return update

    def _preconditioned(self, batch: Transitions, preqn: PreQN) -> Update:
        """Take one PreQN step on the TD errors of ``batch``; none where something is not finite."""
        with torch.no_grad():
            update = self.loss_of(batch).read()
        if not update.is_finite:
            return update
        try:
            step = preqn.step(batch.observations, batch.actions, update.td_errors)
        except InvalidValueError:  # the kernel has overflowed before the values did
            return replace(update, loss=math.nan, is_finite=False)
        self.follow()
        return replace(update, preqn=step)

    def loss_of(self, batch: Transitions) -> BatchLoss:
        """Return the loss of ``batch`` and what goes with it; waits for nothing, changes nothing.

        Args:
            batch: N transitions, on the network's device.

        Returns:
            All of it as tensors.
        """
        return self.equation.loss(batch)

    def targets(self, batch: Transitions) -> Tensor:
        """Return what Q(s_i, a_i) should be, by the bootstrap that the configuration names.

        Args:
            batch: N transitions.

        Returns:
            [N], y; where a distribution is learnt, the mean of its target.
        """
        return self.equation.targets(batch)

    def after_step(self, step: int) -> None:
        """Copy the network into its target at every ``target_period`` agent steps."""
        if self.config.polyak is None and step % self.config.target_period == 0:
            self.sync_target()

    def sync_target(self) -> None:
        """Copy the network into its target network; nothing to do without one."""
        if self.target_network is not None:
            self.target_network.load_state_dict(self.q_network.state_dict())

    def resample_noise(self) -> None:
        """Draw new noise for both networks, each its own, where they are noisy."""
        if self.config.noisy:
            resample_noise(self.q_network, self._noise)
            if self.target_network is not None:
                resample_noise(self.target_network, self._noise)

    def follow(self, share: Tensor | float = 1.0) -> None:
        """Move the target network, θ⁻ ← θ⁻ + τ (θ − θ⁻), where there is a τ, ``polyak``.

        Args:
            share: Of the move; 0: none.
        """
        if self.config.polyak is not None and self.target_network is not None:
            follow(self.target_network, self.q_network, share * self.config.polyak)
