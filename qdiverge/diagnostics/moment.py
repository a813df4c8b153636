"""One moment of a run: the networks as they are now, a batch, and what follows from the two."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.activations import layer_inputs
from qdiverge.diagnostics.quiet import quiet, quiet_values
from qdiverge.diagnostics.transitions import Transitions
from qdiverge.kernel import NTK
from qdiverge.theory import ContractionReport, check_contraction


@dataclass(frozen=True, eq=False)
class Moment:
    """What diagnostics read; each derived quantity is computed once, when first asked for.

    The bootstrap is max_a Q_target(s', a): for double Q-learning, whose targets take other actions,
    TD errors and successor kernel are those of the plain rule.

    Attributes:
        q_network: Called as ``q_network(observations)``, returns [N, A].
        batch: The transitions to measure on.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i²; see :func:`qdiverge.monitor.effective_step`.
        update: How many optimiser updates came before.
        target: The network that makes the bootstrap target; None: the Q-network itself.
        optimizer: The live optimiser, for the preconditioned kernel; None: plain gradient descent.
        bound: The soft-divergence bound on |Q|, r_max/(1−γ).
    """

    q_network: nn.Module
    batch: Transitions
    discount: float
    learning_rate: float
    update: int
    target: nn.Module | None
    optimizer: torch.optim.Optimizer | None
    bound: float

    @cached_property
    def q_all(self) -> Tensor:
        """Q(s_i, ·), [N, A]."""
        return quiet_values(self.q_network, self.batch.observations)

    @cached_property
    def q(self) -> Tensor:
        """Q(s_i, a_i), [N]."""
        return self.q_all.gather(1, self.batch.actions.long().unsqueeze(1)).squeeze(1)

    @cached_property
    def target_next_q(self) -> Tensor:
        """Q_target(s'_i, ·), [N, A]."""
        return quiet_values(self.target or self.q_network, self.batch.next_observations)

    @cached_property
    def td_errors(self) -> Tensor:
        """δ_i = r_i + γ (1 − d_i) max_a Q_target(s'_i, a) − Q(s_i, a_i), [N]."""
        continues = 1.0 - self.batch.terminated.to(self.q.dtype)
        bootstrap = self.discount * continues * self.target_next_q.amax(dim=1)
        return self.batch.rewards.to(self.q.dtype) + bootstrap - self.q

    @cached_property
    def kernel(self) -> Tensor:
        """K = J M Jᵀ over the pairs of the batch, [N, N], with the optimiser's M."""
        with quiet(self.q_network):
            ntk = NTK(self.q_network, preconditioner=self.optimizer)
            return ntk.kernel(self.batch.observations, self.batch.actions)

    @cached_property
    def greedy_actions(self) -> Tensor:
        """argmax_a Q_target(s'_i, a), [N]: the successors that the target bootstraps from."""
        return self.target_next_q.argmax(dim=1)

    @cached_property
    def greedy_successor_kernel(self) -> Tensor:
        """K', row i: γ(1 − d_i) k((s'_i, greedy action), X), [N, N], with the optimiser's M."""
        with quiet(self.q_network):
            ntk = NTK(self.q_network, preconditioner=self.optimizer)
            K = ntk.kernel(
                self.batch.next_observations,
                self.greedy_actions,
                self.batch.observations,
                self.batch.actions,
            )
        return self.discount * (1 - self.batch.terminated.to(K.dtype)).unsqueeze(1) * K

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """What enters each layer at s, by its name; the first is the observation."""
        return layer_inputs(self.q_network, self.batch.observations)

    @cached_property
    def features(self) -> Tensor:
        """φ(s_i), what the output layer reads, [N, F]."""
        return list(self.inputs.values())[-1].flatten(1)

    @cached_property
    def next_features(self) -> Tensor:
        """φ(s'_i), [N, F]."""
        inputs = layer_inputs(self.q_network, self.batch.next_observations)
        return list(inputs.values())[-1].flatten(1)

    @cached_property
    def contraction(self) -> ContractionReport:
        """The row condition and moduli of :func:`qdiverge.check_contraction` on the batch."""
        return check_contraction(
            self.kernel.double(), discount=self.discount, learning_rate=self.learning_rate
        )
