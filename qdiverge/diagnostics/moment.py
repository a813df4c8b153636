"""One moment of a run: the networks as they are now, a batch, and what follows from the two."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.allowed_actions import allowed
from qdiverge.diagnostics.batch_checks import check_actions
from qdiverge.diagnostics.critics import (
    NextActions,
    Policy,
    next_actions,
    quiet_critics,
    target_shares,
)
from qdiverge.diagnostics.hidden_activations import layer_inputs
from qdiverge.diagnostics.noisy_weights import Kernels, over_draws
from qdiverge.diagnostics.preconditioner import step_scales
from qdiverge.diagnostics.quiet import largest_value, quiet_values
from qdiverge.diagnostics.value_bound import (
    divergence_limit,
    soft_divergence_bound,
    undiscounted_limit,
)
from qdiverge.kernel import NTK
from qdiverge.td import (
    Bootstrap,
    backup,
    bootstrap_weights,
    is_evaluated_online,
    is_selected_online,
    values_of,
)
from qdiverge.theory import ContractionReport, Descent, check_contraction
from qdiverge.transitions import SarsaTransitions, Transitions, next_action_missing
from qdiverge.update import UpdateRule

NEED_NEXT_ACTIONS = frozenset(  # what a critic has no answer to unless somebody says a'
    {"next_actions", "target_next_q", "online_next_q", "td_errors", "successor_kernel",
     "next_features"}
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Moment:
    """What diagnostics read; each derived quantity is computed once, when first asked for.

    A Q-network of discrete actions bootstraps from Q_e(s', argmax_a Q_s(s', a)), by ``bootstrap``.
    A critic bootstraps from min_c Q_c,target(s', a') − α_H log π(a'|s') with a' the policy's
    (Fujimoto et al. 2018, Haarnoja et al. 2018; one critic and α_H = 0: Lillicrap et al. 2016). Of
    several critics the first is the one measured; of all there are values.

    Attributes:
        q_network: Called as ``q_network(observations)``, returns [N, A]; or a critic, called with
            observations and actions [N, k], that returns [N] or [N, 1].
        batch: The transitions to measure on.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i²; the largest of the optimiser's groups.
        update: How many optimiser updates came before.
        target: The network that makes the bootstrap target; None: the Q-network itself.
        optimizer: The live optimiser, for the preconditioned kernel; None: plain gradient descent.
        reward_bound: r_max of the soft-divergence bound.
        bootstrap: The rule; None: "target_q", or "q" without a target.
        twins: Further critics beside ``q_network``.
        target_twins: The targets of these.
        policy: s' → a', for a critic whose batch does not say a'.
        entropy_coefficient: α_H of a soft critic (SAC).
        rule: The update that the run makes; None: plain gradient descent.
        weights: Importance weights, [N]; None: 1.
        discounts: γ^k of each transition, [N]; None: ``discount``.
        first_size: max|Q| before anything was learnt; None: not known.
        longest_episode: Steps of the longest episode so far; None: not known.
        least_bonus: The largest ``entropy_bonus`` of moments before.
        newest: The last training batch, to see values on beside those of ``batch``; None: none.
    """

    q_network: nn.Module
    batch: Transitions
    discount: float
    learning_rate: float
    update: int
    target: nn.Module | None
    optimizer: torch.optim.Optimizer | None
    reward_bound: float = 1.0
    bootstrap: Bootstrap | None = None
    twins: tuple[nn.Module, ...] = ()
    target_twins: tuple[nn.Module, ...] = ()
    policy: Policy | None = None
    entropy_coefficient: float = 0.0
    rule: UpdateRule | None = None
    weights: Tensor | None = None
    discounts: Tensor | None = None
    first_size: float | None = None
    longest_episode: float | None = None
    least_bonus: float = 0.0
    newest: Transitions | None = None

    @property
    def descent(self) -> Descent:
        """Return the linear part of the optimiser's step, at the present learning rate."""
        if self.rule is None:
            return Descent(self.learning_rate)
        return self.rule.descent.with_rate(self.learning_rate)

    @property
    def row_discounts(self) -> float | Tensor:
        """Return γ, or γ^k of each transition, [N]."""
        return self.discount if self.discounts is None else self.discounts

    @cached_property
    def q_allowed(self) -> Tensor:
        """Return the values of ``q_all`` that no mask has put there, flat."""
        is_critic = self.is_critic
        q = self.q_all
        return q.flatten() if is_critic else q[allowed(q, self.batch.actions)]

    @cached_property
    def newest_size(self) -> float:
        """Return max|Q| on the newest training batch; NaN without one."""
        if self.newest is None:
            return math.nan
        s, a = self.newest.observations, self.newest.actions
        return largest_value((self.q_network, *self.twins), s, a, is_quiet=True)

    @cached_property
    def entropy_bonus(self) -> float:
        """Return η max|log π(a'|s')| of a soft critic, of this moment or one before."""
        if not (self.is_critic and self.entropy_coefficient and self.policy is not None):
            return self.least_bonus
        log_probs = self._policy_step.log_probs
        most = 0.0 if log_probs is None else float(log_probs.abs().nan_to_num(0, 0).max())
        return max(self.least_bonus, self.entropy_coefficient * most)

    @property
    def bound(self) -> float:
        """Return the soft-divergence bound on |Q|."""
        return soft_divergence_bound(self.discount, self.reward_bound, self.entropy_bonus)

    @cached_property
    def limit(self) -> float:
        """Return the size from which values count as divergent; see ``value_bound``."""
        if self.discount == 1:
            so_far = self.update, self.first_size, self.longest_episode
            return undiscounted_limit(self.reward_bound, *so_far)
        is_known = not self.is_critic or self.has_next_actions
        error = float(self.td_errors.abs().max()) if is_known else math.inf
        return divergence_limit(self.bound, error, self.discount, self.first_size)

    @property
    def each_critic(self) -> "tuple[Moment, ...]":
        """Return the moment with each of the critics in turn as the one that is measured."""
        critics = self.q_network, *self.twins
        return tuple(
            replace(self, q_network=own, twins=critics[:c] + critics[c + 1 :])
            for c, own in enumerate(critics)
        )

    @property
    def has_next_actions(self) -> bool:
        """Return whether a critic's a' is known."""
        return self.policy is not None or isinstance(self.batch, SarsaTransitions)

    @property
    def is_critic(self) -> bool:
        """Tell whether the actions are an input of the network."""
        return self.batch.actions.is_floating_point()

    @cached_property
    def q_all(self) -> Tensor:
        """Return Q(s_i, ·), [N, A]; of critics Q_c(s_i, a_i), [N, C]."""
        if self.is_critic:
            return quiet_critics((self.q_network, *self.twins), *self.pairs)
        return quiet_values(self.q_network, self.batch.observations)

    @cached_property
    def q(self) -> Tensor:
        """Return Q(s_i, a_i), [N]; of the first critic."""
        if self.is_critic:
            return self.q_all[:, 0]
        check_actions(self.batch.actions, self.q_all.shape[1])
        return values_of(self.q_all, self.batch.actions)

    @cached_property
    def online_next_q(self) -> Tensor:
        """Return Q(s'_i, ·), [N, A]; of critics Q_c(s'_i, a'_i), [N, C]."""
        if self.is_critic:
            return quiet_critics((self.q_network, *self.twins), *self.next_pairs)
        return quiet_values(self.q_network, self.batch.next_observations)

    @cached_property
    def target_next_q(self) -> Tensor:
        """Return the same of the target network; of the Q-network where there is none."""
        if self.target is None:
            return self.online_next_q
        if self.is_critic:
            return quiet_critics((self.target, *self.target_twins), *self.next_pairs)
        return quiet_values(self.target, self.batch.next_observations)

    @cached_property
    def next_actions(self) -> Tensor:
        """Return a'_i, where the target bootstraps: greedy, integers [N]; the policy's, [N, k]."""
        if self.is_critic:
            return self._policy_step.actions
        is_online = is_selected_online(self.bootstrap)
        return (self.online_next_q if is_online else self.target_next_q).argmax(dim=1)

    @cached_property
    def td_errors(self) -> Tensor:
        """Return δ_i = r_i + γ (1 − d_i) V(s'_i) − Q(s_i, a_i), V by the bootstrap rule, [N]."""
        if self.is_critic:
            value = self.target_next_q.amin(dim=1)
            if self.rule is not None and self.rule.critics != "one":
                shares = target_shares(
                    self.target_next_q, self.rule.critics, self.rule.critic_subset
                )
                value = (shares * self.target_next_q).where(shares > 0, 0).sum(1).to(value)
            if (log_probs := self._policy_step.log_probs) is not None:
                value = value - self.entropy_coefficient * log_probs.to(value)
        else:
            is_online = is_evaluated_online(self.bootstrap)
            evaluates = self.online_next_q if is_online else self.target_next_q
            value = values_of(evaluates, self.next_actions)
        rewards, d = self.batch.rewards.to(self.q.dtype), self.batch.terminated.bool()
        return backup(rewards, d, self.row_discounts, value) - self.q

    @cached_property
    def applied_errors(self) -> Tensor:
        """Return w_i ψ(δ_i), [N]: the TD errors as the loss applies them, over its slope at 0."""
        is_huber = self.rule is not None and self.rule.loss == "huber"
        errors = self.td_errors.clamp(-1, 1) if is_huber else self.td_errors
        return errors if self.weights is None else self.weights.to(errors) * errors

    @cached_property
    def sample_weights(self) -> Tensor:
        """Return w_i ψ'(δ_i), [N]: 0 where the loss clips, else the importance weight."""
        is_huber = self.rule is not None and self.rule.loss == "huber"
        slopes = self.td_errors.abs() <= 1 if is_huber else self.td_errors == self.td_errors
        weights = slopes.to(torch.float64)
        return weights if self.weights is None else weights * self.weights.to(weights)

    @cached_property
    def preconditioner(self) -> dict[str, Tensor] | None:
        """Return M by parameter name, from the optimiser; None: the identity."""
        if self.optimizer is None:
            return None
        return step_scales(self.optimizer, self.q_network, *self.twins)

    @cached_property
    def kernel(self) -> Tensor:
        """Return K = J M Jᵀ over the pairs of the batch, [N, N], with the optimiser's M."""
        return self.averaged(lambda ntk: {"K": ntk.kernel(*self.pairs)})[0]["K"]

    def averaged(self, compute: Callable[[NTK], Kernels]) -> tuple[Kernels, float]:
        """Return kernels with the optimiser's M, and their standard error over noisy weights."""

        def once() -> Kernels:
            return compute(NTK(self.q_network, preconditioner=self.preconditioner))

        return over_draws(self.q_network, once)

    @cached_property
    def successor_kernel(self) -> Tensor:
        """Return K', row i: γ(1 − d_i) k((s'_i, a'_i), X), [N, N], with the optimiser's M.

        Of a twin, the first critic is taken to bootstrap from itself.
        """
        return self.successor_kernel_by(self.next_actions)

    def successor_kernel_by(self, next_actions: Tensor) -> Tensor:
        """Return K' at given next actions, [N, N]."""
        s_next = self.batch.next_observations
        kernels, _ = self.averaged(lambda ntk: {"": ntk.kernel(s_next, next_actions, *self.pairs)})
        K = kernels[""]
        return bootstrap_weights(self.row_discounts, self.batch.terminated, K.dtype)[:, None] * K

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """Return what enters each layer at (s, a), by its name; the first is the observation."""
        return layer_inputs(self.q_network, *(self.pairs if self.is_critic else self.pairs[:1]))

    @cached_property
    def features(self) -> Tensor:
        """Return φ(s_i), or φ(s_i, a_i) of a critic: what the output layer reads, [N, F]."""
        return list(self.inputs.values())[-1].flatten(1)

    @cached_property
    def next_features(self) -> Tensor:
        """Return φ(s'_i), or φ(s'_i, a'_i), [N, F]."""
        at = self.next_pairs if self.is_critic else (self.batch.next_observations,)
        return list(layer_inputs(self.q_network, *at).values())[-1].flatten(1)

    @cached_property
    def contraction(self) -> ContractionReport:
        """Return what :func:`qdiverge.check_contraction` says of the batch."""
        return check_contraction(
            self.kernel.double(), discount=self.discount, learning_rate=self.learning_rate
        )

    @property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Return (s_i, a_i)."""
        return self.batch.observations, self.batch.actions

    @property
    def next_pairs(self) -> tuple[Tensor, Tensor]:
        """Return (s'_i, a'_i)."""
        return self.batch.next_observations, self.next_actions

    @cached_property
    def _policy_step(self) -> NextActions:
        if self.policy is not None:
            return next_actions(self.policy, self.batch.next_observations)
        if isinstance(self.batch, SarsaTransitions):
            return NextActions(self.batch.next_actions)
        raise next_action_missing()
