"""What is watched: networks, targets and optimiser of somebody else's run, and moments of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from qdiverge.diagnostics import (
    Diagnostic,
    Moment,
    SarsaTransitions,
    Transitions,
    as_transitions,
    soft_divergence_bound,
)
from qdiverge.diagnostics.critics import Policy
from qdiverge.diagnostics.diagnose import split_networks
from qdiverge.diagnostics.preconditioner import is_understood, largest_rate
from qdiverge.kernel.network import unwrap
from qdiverge.monitor.attach_checks import warn_of_batch_discounts
from qdiverge.monitor.options import MonitorOptions


class Subject:
    """The run as the monitor sees it; it only reads.

    Args:
        networks: The Q-network, or the critics.
        targets: Their targets; none where they make their own.
        optimizer: What trains the networks.
        options: The monitor's settings.
        policy: s' → a' of a critic.
        entropy_coefficient: α_H of a soft critic, or what returns it now.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        targets: Sequence[nn.Module],
        optimizer: torch.optim.Optimizer,
        options: MonitorOptions,
        policy: Policy | None = None,
        entropy_coefficient: float | Callable[[], float] = 0.0,
    ) -> None:
        self.networks = [unwrap(network)[0] for network in networks]
        self.targets = [unwrap(target)[0] for target in targets]
        self.optimizer, self.options, self.policy = optimizer, options, policy
        self._entropy_coefficient = entropy_coefficient
        self._split: tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]] | None = None
        self._like = next(p for p in self.networks[0].parameters() if p.is_floating_point())

    @property
    def device(self) -> torch.device:
        """Return where the network is."""
        return self._like.device

    @property
    def is_split(self) -> bool:
        """Return whether a batch has told what kind of network this is."""
        return self._split is not None

    def read(self, data: Any) -> Transitions:
        """Return a training batch as transitions on the network's device, in its precision."""
        batch = as_transitions(data)
        if not isinstance(batch, SarsaTransitions):
            batch = batch.plain()
        batch = batch.to(self.device, self._like.dtype)
        if self._split is None:
            warn_of_batch_discounts(self.options.discount, data)
            targets = split_networks(self.targets, batch) if self.targets else ()
            self._split = split_networks(self.networks, batch), targets
        return batch

    @property
    def learning_rate(self) -> float:
        """Return α of the loss ½ Σ ρ_i δ_i², as the optimiser has it now."""
        return self.options.step_size(largest_rate(self.optimizer, *self.networks))

    def why_off(self, diagnostic: Diagnostic, batch: Transitions) -> str:
        """Return why a diagnostic cannot be measured here; "" where it can."""
        has_next_actions = self.policy is not None or isinstance(batch, SarsaTransitions)
        return diagnostic.why_off(batch.actions.is_floating_point(), has_next_actions)

    def moment(self, batch: Transitions, update: int, reward_bound: float) -> Moment:
        """Return the run as it is now."""
        assert self._split is not None
        (network, *twins), targets = self._split
        coefficient = self._entropy_coefficient
        return Moment(
            q_network=network,
            batch=batch,
            discount=self.options.discount,
            learning_rate=self.learning_rate,
            update=update,
            target=targets[0] if targets else None,
            optimizer=self.optimizer if is_understood(self.optimizer) else None,
            bound=soft_divergence_bound(self.options.discount, reward_bound),
            bootstrap=self.options.bootstrap,
            twins=tuple(twins),
            target_twins=targets[1:],
            policy=self.policy,
            entropy_coefficient=float(coefficient() if callable(coefficient) else coefficient),
        )
