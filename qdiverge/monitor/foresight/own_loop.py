"""A copy of somebody's own training loop, that goes on as the loop will.

The loop is an object that holds all that the run is made of, with two methods, and is driven so:

    while (batch := loop.next_batch()) is not None:
        loop.learn(monitor.batch(batch))
"""

import copy
import warnings
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from typing_extensions import Self

from qdiverge.environment_copies import copied_by_state
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.foresight.whole_run import MOST_BYTES, array_bytes
from qdiverge.rehearsal.scheduled import SCHEDULED


@runtime_checkable
class Loop(Protocol):
    """A run of one's own: networks, optimiser, environments, replay and generators are its own."""

    def next_batch(self) -> Any:
        """Act and store until an update is due; return what it learns from; None at the end."""

    def learn(self, batch: Any) -> object:
        """Make the update, and what follows it, such as a copy into the target."""


class LoopAhead:
    """A loop from the update under way on; its deep copy makes the updates that it will make.

    Args:
        loop: Just after it has returned a batch. What writes or watches must not be its own.
        under_way: That batch.

    Raises:
        InvalidValueError: its replay is too large to be copied.
    """

    takes: tuple[str, ...] = ()

    def __init__(self, loop: Loop, under_way: Any) -> None:
        held = [value for value in vars(loop).values() if hasattr(value, "__dict__")]
        if (size := array_bytes(loop) + sum(map(array_bytes, held))) > MOST_BYTES:
            raise InvalidValueError(
                f"a replay must have at most {MOST_BYTES:,} bytes to be copied", got=f"{size:,}"
            )
        self.loop, self._under_way = loop, under_way

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for value in list(vars(self.loop).values()):
            for environment in _environments(value):
                copied_by_state(environment, memo)
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.loop, twin._under_way = copy.deepcopy((self.loop, self._under_way), memo)
        return twin

    def update(self) -> None:
        """Finish the update under way, or act and make the next; at the end do nothing."""
        batch, self._under_way = self._under_way, None
        batch = self.loop.next_batch() if batch is None else batch
        if batch is not None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", SCHEDULED, UserWarning)
                self.loop.learn(batch)

    def take(self, change: Mapping[str, Any]) -> None:
        """Change nothing: of a loop the optimiser's learning rate alone can be changed."""


def _environments(value: Any) -> list[Any]:
    """Return the environments that one is, or holds side by side; [] of what is none."""
    innermost = value
    while (inner := getattr(innermost, "__dict__", {}).get("env")) is not None:
        innermost = inner
    side_by_side = getattr(innermost, "__dict__", {}).get("envs", ())
    alone = [value] if hasattr(value, "step") and hasattr(value, "reset") else []
    return list(side_by_side) or alone
