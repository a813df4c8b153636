"""From which size values of a run count as divergent, as far as it has shown its rewards.

What no policy can earn more than, and beyond it what TD errors and the first values excuse; see
:mod:`qdiverge.diagnostics.value_bound`.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from torch import Tensor

from qdiverge.batch_reading import rewards_of, row_discounts
from qdiverge.diagnostics import Transitions, divergence_limit, soft_divergence_bound
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.reward_scale import RewardScale
from qdiverge.monitor.subject import Subject


class ValueLimit:
    """The rewards and the first values of a run, and what follows from them.

    Args:
        subject: The run.
        guard: Of errors.
        budget: The time that it may take.

    Attributes:
        first_size: max|Q| when the first batch came; None: none did.
        entropy_bonus: Of a soft critic, the largest so far.
    """

    def __init__(self, subject: Subject, guard: Guard, budget: Budget) -> None:
        self._subject, self._guard, self._budget = subject, guard, budget
        self._discount, self._told = subject.options.discount, subject.options.reward_bound
        self._rewards = RewardScale()
        self._has_discounts: bool | None = None  # whether batches say γ^k; None: none came yet
        self.first_size: float | None = None
        self.entropy_bonus = 0.0

    @property
    def reward_bound(self) -> float:
        """Return r_max: as it was told, or the largest |r| seen, or 1 where there was none."""
        return self._told or self._rewards.largest or 1.0

    @property
    def bound(self) -> float:
        """Return what no policy can earn more than, by the rewards seen."""
        return soft_divergence_bound(self._discount, self.reward_bound, self.entropy_bonus)

    def at(self, latest: Mapping[str, float]) -> float:
        """Return the limit by the last TD errors measured.

        At γ = 1 as it was measured last: it grows with the updates.

        Args:
            latest: The newest value of each metric.
        """
        if self._discount == 1:
            return latest.get("diverge/divergence_limit", math.inf)
        error = latest.get("diverge/td_error_abs_max", math.inf)
        return divergence_limit(self.bound, error, self._discount, self.first_size)

    def largest(self, latest: Mapping[str, float]) -> float:
        """Return the same, whatever the TD errors are; at γ = 1 they have no say in it."""
        return self.at(latest if self._discount == 1 else {})

    def ahead(self) -> float:
        """Return the same of values to come, whose TD errors nobody knows; 0: not known."""
        if self._discount == 1 or not (self._told or self._rewards.largest):
            return 0.0
        return self.largest({})

    def see_first(self, batch: Transitions) -> None:
        """Note max|Q| on the first batch."""
        if self.first_size is None:
            with suppress(Exception):  # what fails here fails in a measurement, which tells of it
                networks, s, a = self._subject.networks, batch.observations, batch.actions
                self.first_size = largest_value(networks, s, a, is_quiet=True)

    def note_rewards(self, data: Any, read: Callable[[Any], Any] | None, update: int) -> None:
        """Note the largest |r| of a training batch, of each that is shown.

        Args:
            data: The batch.
            read: Makes transitions of it; one that has a shorter way to the rewards alone has it as
                its method ``rewards``.
            update: Optimiser updates made before.
        """
        if self._told is not None:
            return
        begin = self._budget.now()
        try:
            own = None  # the usual spelling, at once
            if read is None:
                is_dict = data.__class__ is dict
                own = data.get("rewards") if is_dict else getattr(data, "rewards", None)
            if own.__class__ is not Tensor:
                shorter = getattr(read, "rewards", None)
                own = shorter(data) if shorter else rewards_of(data if read is None else read(data))
            discounts = None if self._has_discounts is False else row_discounts(data)
            self._has_discounts = discounts is not None
            self._rewards.note(own, discounts, self._discount)
        except Exception as error:  # whatever it is, it must not end somebody's training run
            self._guard.tell("reading the batch", update, error, None)
        self._budget.calls += self._budget.now() - begin

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would."""
        return {
            "largest_reward": self._rewards.largest,
            "first_size": self.first_size,
            "entropy_bonus": self.entropy_bonus,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` returned; older checkpoints lack some of it."""
        self._rewards = RewardScale(state["largest_reward"])
        self.first_size = state.get("first_size")
        self.entropy_bonus = state.get("entropy_bonus", 0.0)
