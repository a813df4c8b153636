"""What is watched: networks, targets and optimiser of somebody else's run, and moments of it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.batch_reading import pairs_of
from qdiverge.diagnostics import (
    Diagnostic,
    Moment,
    SarsaTransitions,
    Transitions,
    as_transitions,
)
from qdiverge.diagnostics.batch_checks import with_integers
from qdiverge.diagnostics.critics import Policy
from qdiverge.diagnostics.diagnose import split_networks
from qdiverge.diagnostics.preconditioner import is_understood
from qdiverge.diagnostics.quiet import quiet
from qdiverge.kernel.check_network import why_mixed
from qdiverge.kernel.network import first_parameter, unwrap
from qdiverge.monitor.attach_checks import warn_of_batch_discounts
from qdiverge.monitor.first_findings import first_findings
from qdiverge.monitor.options import ASSUMED_LOSS, OF_TARGET, MonitorOptions
from qdiverge.monitor.other_optimizer import held_by
from qdiverge.transitions import without_ends
from qdiverge.update import (
    Finding,
    UpdateRule,
    measured_otherwise,
    read_optimizer,
    why_not_modelled,
)
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
        present_targets: Returns the targets as they are now; None: always ``targets``.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        targets: Sequence[nn.Module],
        optimizer: torch.optim.Optimizer,
        options: MonitorOptions,
        policy: Policy | None = None,
        entropy_coefficient: float | Callable[[], float] = 0.0,
        present_targets: Callable[[], Sequence[nn.Module]] | None = None,
    ) -> None:
        self.networks = [unwrap(network)[0] for network in networks]
        self.targets = [unwrap(target)[0] for target in targets]
        self.optimizer, self.options, self.policy = optimizer, options, policy
        self._entropy_coefficient, self._present_targets = entropy_coefficient, present_targets
        self._sample: Transitions | None = None  # a row, to see what networks return
        self.seen: dict[str, Any] = {}  # fields of the rule that the run showed
        self.measured_otherwise = ""  # why another function learns than is measured
        self.mixing = ""  # why no row has a gradient of its own
        self._findings: list[Finding] = []
        self._of_optimizer: dict[str, Any] = read_optimizer(optimizer, self.networks)
        self._split: tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]] | None = None
        self._parameter = first_parameter(self.networks)

    @property
    def device(self) -> torch.device:
        """Return where the network is."""
        return self._parameter.device

    @property
    def is_split(self) -> bool:
        """Return whether a batch has told what kind of network this is."""
        return self._split is not None

    @property
    def is_trained(self) -> bool:
        """Return whether the optimiser holds a parameter of the networks."""
        return bool(held_by(self.optimizer, self.networks))

    @property
    def is_target_looked_up(self) -> bool:
        """Return whether a function says which target the loop bootstraps from."""
        return self._present_targets is not None

    def look_up_targets(self) -> bool:
        """Take the targets that the loop bootstraps from now; return whether they are others."""
        if not self.targets or self._present_targets is None:
            return False
        now = [unwrap(target)[0] for target in self._present_targets()]
        if all(new is old for new, old in zip(now, self.targets, strict=True)):
            return False
        self.targets = now
        if self._split is not None and self._sample is not None:
            self._split = self._split[0], split_networks(now, self._sample)
        return True

    def read(self, data: Any) -> Transitions:
        """Return a training batch as transitions on the network's device, in its precision."""
        batch = as_transitions(data)
        if not isinstance(batch, SarsaTransitions):
            batch = batch.plain()
        batch = with_integers(batch, self.networks[0])
        batch = without_ends(batch.to(self.device, self._parameter.dtype))
        if self._split is None:
            warn_of_batch_discounts(self.options.discount, data)
            targets = split_networks(self.targets, batch) if self.targets else ()
            self._split = split_networks(self.networks, batch), targets
            self._sample = batch.select(slice(0, 1))
            self._look_at(batch)
        return batch

    def read_pairs(self, data: Any) -> tuple[Tensor, Tensor]:
        """Return s and a of a training batch alone, as ``read`` does, once it has read one."""
        s, a = pairs_of(data)
        assert self._sample is not None
        if a.is_floating_point() and not self._sample.actions.is_floating_point():
            a = a.reshape(-1).long()  # whole numbers that a buffer of floats has kept
        return self._moved(s), self._moved(a)

    def _moved(self, x: Tensor) -> Tensor:
        return x.to(self.device, self._parameter.dtype if x.is_floating_point() else x.dtype)

    def take_findings(self) -> list[Finding]:
        """Return what the first batch has shown to be wrong, once."""
        found, self._findings = self._findings, []
        return found

    def _look_at(self, batch: Transitions) -> None:
        """See what is wrong with the networks or the data, where a first batch shows it."""
        self.measured_otherwise = measured_otherwise(self.networks)
        network = self._critics[0]
        with suppress(Exception):  # a network that fails here fails in measurements, which say so
            with quiet(network):
                self.mixing = why_mixed(network, batch.observations, batch.actions)
            if self.mixing and not self.measured_otherwise:
                self.measured_otherwise = "no number of a row is its own: the network mixes samples"
            self._findings = first_findings(network, batch, self.mixing)

    @property
    def learning_rate(self) -> float:
        """Return α of the loss ½ Σ ρ_i δ_i², as the optimiser has it now."""
        return self.rule.descent.learning_rate

    @property
    def rule(self) -> UpdateRule:
        """Return the update as the options, the optimiser and the run say it, now."""
        options = self.options
        if self.is_trained:
            self._of_optimizer = read_optimizer(self.optimizer, self.networks)
        of_optimizer = dict(self._of_optimizer)
        of_networks = options.not_modelled or why_not_modelled(self.networks)
        of_optimizer["not_modelled"] = of_networks or of_optimizer["not_modelled"]
        is_factor = isinstance(options.loss, int | float)
        assumed = {
            "loss": "half_squared" if is_factor else ASSUMED_LOSS,
            "bootstrap": "target_q" if self.targets else "q",
            "critics": "one" if len(self._critics) == 1 else "min",
        }
        given = {"discount": options.discount, **options.rule}
        if not given.get("not_modelled"):
            given.pop("not_modelled", None)
        if is_factor:
            given["loss_factor"] = options.loss
        elif options.loss is not None:
            given["loss"] = options.loss
        if options.bootstrap is not None:
            given["bootstrap"] = options.bootstrap
        given |= {"entropy_coefficient": self.entropy_coefficient} if self._is_soft else {}
        if any(name in self.seen for name in OF_TARGET):
            given = {k: v for k, v in given.items() if k not in OF_TARGET}
        sources: dict[str, Source] = dict.fromkeys(of_optimizer, "optimizer")
        for name in given:
            sources[name] = "given"
        sources |= dict.fromkeys(self.seen, "seen")
        return UpdateRule(sources=sources, **of_optimizer | assumed | given | self.seen)

    @property
    def _critics(self) -> Sequence[nn.Module]:
        """Return each network with one value, as far as a batch has told."""
        return self._split[0] if self._split else self.networks

    @property
    def _is_soft(self) -> bool:
        """Return whether a coefficient of the entropy was given."""
        given = self._entropy_coefficient
        return callable(given) or given != 0.0

    @property
    def entropy_coefficient(self) -> float:
        """Return α_H of a soft critic as it is now."""
        given = self._entropy_coefficient
        return float(given() if callable(given) else given)

    def why_off(self, diagnostic: Diagnostic, batch: Transitions) -> str:
        """Return why a diagnostic cannot be measured here; "" where it can."""
        has_next_actions = self.policy is not None or isinstance(batch, SarsaTransitions)
        if self.mixing and diagnostic.cost != "light":
            return "the network mixes samples: no row has a kernel of its own"
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
        **seen: Any,
    ) -> Moment:
        """Return the run as it is now, on a batch with what each of its rows is weighted by.

        Args:
            batch: N transitions.
            update: Updates made.
            reward_bound: r_max.
            weights: Importance weights, [N].
            discounts: γ^k, [N].
            seen: What else a moment may know of those before it.
        """
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
            reward_bound=reward_bound,
            bootstrap=rule.bootstrap if "bootstrap" in self.seen else self.options.bootstrap,
            twins=tuple(twins),
            target_twins=targets[1:],
            policy=self.policy,
            entropy_coefficient=self.entropy_coefficient,
            rule=rule,
            weights=weights,
            discounts=discounts,
            **seen,
        )
