"""What the targets may bootstrap from: the candidates for the value of the successor, when asked.

Of a Q-network Q_e(s', argmax_a Q_s(s', a)) by the rules of :mod:`qdiverge.td`. Of critics
min_c Q_c(s', a') − η log π(a'|s') with a' the policy's (Fujimoto et al. 2018, Haarnoja et al.
2018).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.batch_reading import field_of
from qdiverge.td import BOOTSTRAPS
from qdiverge.transitions import Transitions, next_action_missing
from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.still_calls import (
    Leaves,
    Policy,
    ask_policy,
    critic_values,
    q_values,
)
from qdiverge.update.auditing.td_columns import Array

ROLLED = {"next_row": -1, "row_before": 1}  # successors of another row


class Following(Mapping[str, Array]):
    """The candidates m by name, [N] each, computed when first asked for.

    Besides the rules there are "none" (m = 0); of target_q "target_q/next_row" and
    "target_q/row_before"; of critics "target_q/no_entropy" and "target_q/no_minimum".
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        targets: Sequence[nn.Module],
        batch: Transitions,
        raw: Any,
        policy: Policy | None,
        entropy_coefficient: float,
    ) -> None:
        self.modules, self.targets, self.batch, self.raw = modules, targets, batch, raw
        self.policy, self.entropy_coefficient = policy, entropy_coefficient
        self.is_critic = batch.actions.is_floating_point()
        self.terminated = numbers(batch.terminated) > 0
        self._known: dict[str, Array] = {"none": np.zeros(len(batch))}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the candidates."""
        own = ["target_q"] if self.targets else []
        rules = own + (["q"] if self.is_critic or not self.targets else list(BOOTSTRAPS))
        twists = [f"{rule}/{twist}" for rule in (own or ["q"]) for twist in ROLLED]
        if self.is_critic and self.entropy_coefficient:
            twists += [f"{rule}/no_entropy" for rule in (own or ["q"])]
        if self.is_critic:
            twists += [f"{rule}/no_minimum" for rule in (own or ["q"])]
        return (*dict.fromkeys(rules), *twists, "none")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> Array:
        if name not in self._known:
            rule, _, twist = name.partition("/")
            if twist in ROLLED:
                value = np.roll(self[rule], ROLLED[twist])
            else:
                value = self._critics(rule, twist) if self.is_critic else self._greedy(rule)
                # what stands in the place of a terminal successor may be anything
                value = np.where(self.terminated & ~np.isfinite(value), 0.0, value)
            self._known[name] = value
        return self._known[name]

    @cached_property
    def online(self) -> Array:
        """Return Q(s', ·), [N, A]; of critics Q_c(s', a'), [N, C]."""
        return self._values(self.modules)

    @cached_property
    def target(self) -> Array:
        """Return the same of the target network."""
        return self._values(self.targets) if self.targets else self.online

    @cached_property
    def next_actions(self) -> tuple[Tensor, Tensor | None]:
        """Return a' and log π(a'|s'): the batch's, or the policy's.

        Raises:
            InvalidValueError: nobody says what they are.
        """
        if (shown := field_of(self.raw, "next_actions")) is not None:
            log_probs = field_of(self.raw, "next_log_probs")
            return shown, None if log_probs is None else log_probs.reshape(-1)
        if self.policy is None:
            raise next_action_missing()
        return ask_policy(self.policy, self.batch.next_observations)

    def at(self, leaves: Leaves) -> Following:
        """Return the same with other parameters of the target networks, by their ids."""
        other = copy.copy(self)
        other._known = {"none": self["none"]}
        other.__dict__["target"] = self._values(self.targets, leaves)
        return other

    def _values(self, modules: Sequence[nn.Module], leaves: Leaves | None = None) -> Array:
        s = self.batch.next_observations
        with torch.no_grad():
            if self.is_critic:
                actions = self.next_actions[0].to(self.batch.actions)
                return numbers(critic_values(modules, s, actions, leaves=leaves))
            return numbers(q_values(modules[0], s, leaves))

    def _greedy(self, rule: str) -> Array:
        if rule in ("q", "target_q"):
            return np.asarray((self.online if rule == "q" else self.target).max(1))
        selects, evaluates = (
            (self.online, self.target) if rule == "double_q" else (self.target, self.online)
        )
        return np.asarray(np.take_along_axis(evaluates, selects.argmax(1)[:, None], 1)[:, 0])

    def _critics(self, rule: str, twist: str) -> Array:
        values = self.online if rule == "q" else self.target
        value = values[:, 0] if twist == "no_minimum" else values.min(1)
        log_probs = self.next_actions[1]
        if log_probs is None or twist == "no_entropy":
            return np.asarray(value)
        return np.asarray(value - self.entropy_coefficient * numbers(log_probs))
