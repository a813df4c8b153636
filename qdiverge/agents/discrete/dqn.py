"""Deep Q-learning (Mnih et al. 2015): one gradient step on the equations of :mod:`qdiverge.td`.

Where a distribution is learnt (``distributional``) the equations are those of ``categorical``.

No gradient goes through the target y, also where it bootstraps from the network that learns.

Differs from the paper, whatever the settings, in (those of the presets say how they differ):

1. The losses of a batch are averaged; the published code sums their gradients.
2. Weights start as PyTorch starts them.
3. Several environments may be stepped together, ahead of the updates (``loop``).
4. All environments restart at each checkpoint.
5. A loss that is not finite takes no step, and ends the run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.agent import Update
from qdiverge.agents.batch_loss import BatchLoss
from qdiverge.agents.discrete.categorical import (
    CategoricalLoss,
    bootstrap_distribution,
    categorical_loss,
    expectation,
    of_actions,
    projected,
)
from qdiverge.agents.discrete.optimizers import make_optimizer
from qdiverge.agents.losses import td_loss, weighted_mean
from qdiverge.agents.machine.arithmetic import Arithmetic
from qdiverge.agents.networks.categorical import CategoricalQ
from qdiverge.agents.networks.noisy import resample_noise, still_noise
from qdiverge.agents.once import Once
from qdiverge.agents.replay.sampling import LearnerBatch
from qdiverge.agents.settings.dqn import DQNConfig
from qdiverge.agents.targets import follow, slow_copy
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.preqn import PreQN
from qdiverge.td import bootstrap_values, td_errors, td_targets
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
        weights = batch.weights if isinstance(batch, LearnerBatch) else None
        if self.config.distributional:
            terms = self._categorical_loss(batch)
            q_values, errors, surprises = terms.q_values, terms.td_errors, terms.divergences
            loss = weighted_mean(terms.cross_entropies, weights)
        else:
            targets = self.targets(batch)  # [N]
            q_values = self.evaluate(self.q_network, batch.observations)  # [N, A]
            errors = surprises = td_errors(q_values, batch.actions, targets)  # [N]
            loss = td_loss(errors, self.config.loss, weights)
        q = q_values.detach()
        taken = of_actions(q, batch.actions)
        return BatchLoss.of(loss, errors.detach(), surprises.detach(), taken, q)

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """Return what Q(s_i, a_i) should be, by the bootstrap that the configuration names.

        Args:
            batch: N transitions.

        Returns:
            [N], y; where a distribution is learnt, the mean of its target.
        """
        if self.config.distributional:
            return expectation(self.target_distributions(batch), self._categorical.support)
        online, target = self.q_network, self.target_network
        next_q_values, next_actions = bootstrap_values(
            self.config.bootstrap_rule,
            partial(self.evaluate, online),
            partial(self.evaluate, online if target is None else target),
            batch.next_observations,
        )
        discount = batch.discounts if isinstance(batch, LearnerBatch) else self.config.discount
        return td_targets(batch.rewards, batch.terminated, next_q_values, discount, next_actions)

    @torch.no_grad()
    def target_distributions(self, batch: Transitions) -> Tensor:
        """Return how R of (s_i, a_i) should be distributed, where a distribution is learnt.

        Args:
            batch: B transitions.

        Returns:
            [B, N], m.
        """
        online = self._categorical
        target = online if self.target_network is None else self.target_network
        assert isinstance(target, CategoricalQ)
        probabilities = bootstrap_distribution(
            self.config.bootstrap_rule,
            partial(self.evaluate, online.logits),
            partial(self.evaluate, target.logits),
            batch.next_observations,
            online.support,
        )
        discount = batch.discounts if isinstance(batch, LearnerBatch) else self.config.discount
        return projected(probabilities, batch.rewards, batch.terminated, discount, online.support)

    def after_step(self, step: int) -> None:
        """Copy the network into its target at every ``target_period`` agent steps."""
        if self.config.polyak is None and step % self.config.target_period == 0:
            self.sync_target()

    def sync_target(self) -> None:
        """Copy the network into its target network; nothing to do without one."""
        if self.target_network is not None:
            self.target_network.load_state_dict(self.q_network.state_dict())

    @property
    def _categorical(self) -> CategoricalQ:
        assert isinstance(self.q_network, CategoricalQ)
        return self.q_network

    def _categorical_loss(self, batch: Transitions) -> CategoricalLoss:
        targets = self.target_distributions(batch)  # [B, N]
        network = self._categorical
        logits = self.evaluate(network.logits, batch.observations)  # [B, A, N]
        return categorical_loss(logits, batch.actions, targets, network.support)

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
