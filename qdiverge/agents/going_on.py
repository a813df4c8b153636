"""A copy of a run, made in the middle of an update, that goes on as the run will."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import Self

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.records import Progress, UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from qdiverge.transitions import Transitions


class GoingOn:
    """A trainer from the update under way on; its deep copy makes the updates that it will make.

    Nothing is copied before ``copy.deepcopy``, and the trainer itself is never asked to go on. On a
    GPU that raises an InvalidValueError: a captured graph of its updates cannot be copied.

    Args:
        trainer: While its ``transform_batch`` is being asked; what that is, a copy is not told.
        under_way: The batch that the update under way learns from.

    Attributes:
        trainer: The one given; of a copy its own.
    """

    def __init__(self, trainer: Trainer, under_way: Transitions) -> None:
        self.trainer, self._under_way = trainer, under_way
        self._records: Iterator[Progress] | None = None
        self._is_copy = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if (device := self.trainer.agent.device).type != "cpu":
            raise InvalidValueError("a run must be on a CPU to be copied", got=f"one on {device}")
        shared = ("config", "make_q_network")
        own = vars(self.trainer) | {"transform_batch": None, "deadline_seconds": None}
        trainer = object.__new__(type(self.trainer))
        memo[id(self.trainer)] = trainer
        for name, value in own.items():
            vars(trainer)[name] = value if name in shared else copy.deepcopy(value, memo)
        trainer.updates.log_period, trainer.updates.has_alignment = 1, False
        twin = type(self)(trainer, copy.deepcopy(self._under_way, memo))
        twin._is_copy = True
        return twin

    @property
    def takes(self) -> tuple[str, ...]:
        """Return what of an update's rule can be changed under way, beside the learning rate."""
        return ("target_period",) if can_copy_less(self.trainer) else ()

    def take(self, change: Mapping[str, Any]) -> None:
        """Change it; only of a copy."""
        assert self._is_copy
        copy_every(self.trainer, change["target_period"])

    def update(self) -> None:
        """Finish the update under way, or take the steps to the next one and make it.

        At the end of the run it does nothing. Only of a copy.
        """
        assert self._is_copy
        if self._records is None:
            self._records = self.trainer.go_on(self._under_way)
        for record in self._records:
            if isinstance(record, UpdateRecord):
                return


def can_copy_less(trainer: Trainer) -> bool:
    """Return whether a run copies its network into a target now and then."""
    config = trainer.config
    return isinstance(config, DQNConfig) and config.has_target_network and config.polyak is None


def copy_every(trainer: Trainer, num_updates: int) -> None:
    """Have a run copy its network into the target every so many updates from now on.

    What it was configured to is in ``trainer.config`` as before.
    """
    agent = trainer.agent
    assert isinstance(agent, DQN)
    period = num_updates * trainer.config.train_period
    agent.config = dataclasses.replace(agent.config, target_period=period)
