"""What is watched: networks, targets and optimiser of somebody else's run, and moments of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
from qdiverge.monitor.options import ASSUMED_LOSS, MonitorOptions
from qdiverge.transitions import without_ends
from qdiverge.update import UpdateRule, read_optimizer, why_not_modelled
from qdiverge.update.rule import Source


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
        self.seen: dict[str, Any] = {}  # fields of the rule that the run showed
        self._split: tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]] | None = None
        self._parameter = next(p for p in self.networks[0].parameters() if p.is_floating_point())

    @property
    def device(self) -> torch.device:
        """Return where the network is."""
        return self._parameter.device

    @property
    def is_split(self) -> bool:
        """Return whether a batch has told what kind of network this is."""
        return self._split is not None

    def read(self, data: Any) -> Transitions:
        """Return a training batch as transitions on the network's device, in its precision."""
        batch = as_transitions(data)
        if not isinstance(batch, SarsaTransitions):
            batch = batch.plain()
        batch = without_ends(batch.to(self.device, self._parameter.dtype))
        if self._split is None:
            warn_of_batch_discounts(self.options.discount, data)
            targets = split_networks(self.targets, batch) if self.targets else ()
            self._split = split_networks(self.networks, batch), targets
        return batch

    @property
    def learning_rate(self) -> float:
        """Return α of the loss ½ Σ ρ_i δ_i², as the optimiser has it now."""
        rate = largest_rate(self.optimizer, *self.networks)
        return self.options.step_size(rate, self.seen.get("loss"))

    @property
    def rule(self) -> UpdateRule:
        """Return the update as the options and the optimiser say it, now."""
        options, fields = self.options, read_optimizer(self.optimizer, self.networks)
        if isinstance(options.loss, int | float):
            fields["learning_rate"] *= options.loss
        of_networks = options.not_modelled or why_not_modelled(self.networks)
        fields["not_modelled"] = of_networks or fields["not_modelled"]
        sources: dict[str, Source] = dict.fromkeys(fields, "optimizer")
        sources |= {"discount": "given"}
        sources |= {} if options.loss is None else {"loss": "given"}
        if options.bootstrap is not None:
            sources["bootstrap"] = "given"
        is_factor = isinstance(options.loss, int | float)
        fields |= {
            "discount": options.discount,
            "loss": "half_squared" if is_factor else options.loss or ASSUMED_LOSS,
            "bootstrap": options.bootstrap or ("target_q" if self.targets else "q"),
            "critics": "min"
            if len(self._split[0] if self._split else self.networks) > 1
            else "one",
            "entropy_coefficient": self.entropy_coefficient,
        }
        sources |= dict.fromkeys(self.seen, "seen")
        return UpdateRule(sources=sources, **fields | self.seen)

    @property
    def entropy_coefficient(self) -> float:
        """Return α_H of a soft critic as it is now."""
        given = self._entropy_coefficient
        return float(given() if callable(given) else given)

    def why_off(self, diagnostic: Diagnostic, batch: Transitions) -> str:
        """Return why a diagnostic cannot be measured here; "" where it can."""
        has_next_actions = self.policy is not None or isinstance(batch, SarsaTransitions)
        if diagnostic.is_of_update and (reason := self.rule.not_modelled):
            return reason
        return diagnostic.why_off(batch.actions.is_floating_point(), has_next_actions)

    def moment(
        self,
        batch: Transitions,
        update: int,
        reward_bound: float,
        weights: Tensor | None = None,
        discounts: Tensor | None = None,
    ) -> Moment:
        """Return the run as it is now, on a batch with what each of its rows is weighted by."""
        assert self._split is not None
        (network, *twins), targets = self._split
        rule = self.rule
        return Moment(
            q_network=network,
            batch=batch,
            discount=rule.discount,
            learning_rate=self.learning_rate,
            update=update,
            target=targets[0] if targets else None,
            optimizer=self.optimizer if is_understood(self.optimizer) else None,
            bound=soft_divergence_bound(rule.discount, reward_bound),
            bootstrap=rule.bootstrap if "bootstrap" in self.seen else self.options.bootstrap,
            twins=tuple(twins),
            target_twins=targets[1:],
            policy=self.policy,
            entropy_coefficient=self.entropy_coefficient,
            rule=rule,
            weights=weights,
            discounts=discounts,
        )
