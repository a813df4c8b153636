"""What a DQN learns: the values of :mod:`qdiverge.td`, or the distributions of ``categorical``."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from qdiverge.agents.batch_loss import BatchLoss
from qdiverge.agents.discrete.categorical import (
    bootstrap_distribution,
    categorical_loss,
    expectation,
    of_actions,
    projected,
)
from qdiverge.agents.losses import td_loss, weighted_mean
from qdiverge.agents.networks.categorical_network import CategoricalQ
from qdiverge.agents.replay.sampling import LearnerBatch
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.td import bootstrap_values, td_errors, td_targets
from qdiverge.transitions import Transitions

Network = TypeVar("Network", bound=nn.Module)
Evaluate = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]


class Equation(ABC, Generic[Network]):
    """What Q(s_i, a_i) should be, and what it costs that it is not.

    Args:
        online: The network that learns.
        target: Its delayed copy; None: itself.
        config: The numbers.
        evaluate: Runs a network on observations.
    """

    def __init__(
        self, online: Network, target: Network | None, config: DQNConfig, evaluate: Evaluate
    ) -> None:
        self.online, self.target = online, online if target is None else target
        self.config, self.evaluate = config, evaluate

    @abstractmethod
    def targets(self, batch: Transitions) -> Tensor:
        """Return y, [N]: what Q(s_i, a_i) should be."""

    @abstractmethod
    def loss(self, batch: Transitions) -> BatchLoss:
        """Return the loss of ``batch``; the gradient goes through Q(s_i, a_i) alone."""

    def discount(self, batch: Transitions) -> Tensor | float:
        """Return γ, or γ^k of each transition, [N]."""
        return batch.discounts if isinstance(batch, LearnerBatch) else self.config.discount

    @staticmethod
    def weights(batch: Transitions) -> Tensor | None:
        """Return w of each transition, [N]; None: 1 for all."""
        return batch.weights if isinstance(batch, LearnerBatch) else None


class ValueEquation(Equation[nn.Module]):
    """Minimise mean_i w_i ℓ(y_i − Q(s_i, a_i))."""

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """Return y, [N], by the bootstrap that the configuration names."""
        next_q_values, next_actions = bootstrap_values(
            self.config.bootstrap_rule,
            partial(self.evaluate, self.online),
            partial(self.evaluate, self.target),
            batch.next_observations,
        )
        return td_targets(
            batch.rewards, batch.terminated, next_q_values, self.discount(batch), next_actions
        )

    def loss(self, batch: Transitions) -> BatchLoss:
        """Return ℓ(δ), averaged."""
        targets = self.targets(batch)  # [N]
        q = self.evaluate(self.online, batch.observations)  # [N, A]
        errors = td_errors(q, batch.actions, targets)  # [N]
        loss = td_loss(errors, self.config.loss, self.weights(batch))
        δ, q = errors.detach(), q.detach()
        return BatchLoss.of(loss, δ, δ, of_actions(q, batch.actions), q)


class DistributionEquation(Equation[CategoricalQ]):
    """Minimise mean_i w_i H(m_i, p(s_i, a_i))."""

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """Return the mean of m, [N]."""
        return expectation(self.distributions(batch), self.online.support)

    @torch.no_grad()
    def distributions(self, batch: Transitions) -> Tensor:
        """Return m, [N, atoms]: how R of (s_i, a_i) should be distributed."""
        support = self.online.support
        probabilities = bootstrap_distribution(
            self.config.bootstrap_rule,
            partial(self.evaluate, self.online.logits),
            partial(self.evaluate, self.target.logits),
            batch.next_observations,
            support,
        )
        rewards, discount = batch.rewards, self.discount(batch)
        return projected(probabilities, rewards, batch.terminated, discount, support)

    def loss(self, batch: Transitions) -> BatchLoss:
        """Return the cross-entropies, averaged."""
        m = self.distributions(batch)
        logits = self.evaluate(self.online.logits, batch.observations)  # [N, A, atoms]
        terms = categorical_loss(logits, batch.actions, m, self.online.support)
        loss, q = weighted_mean(terms.cross_entropies, self.weights(batch)), terms.q_values
        taken = of_actions(q, batch.actions)
        return BatchLoss.of(loss, terms.td_errors, terms.divergences, taken, q)
