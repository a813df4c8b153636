"""A copy of all of a run that goes on as the run will: acting, storing and learning.

Its environment, replay, behaviour and random states are copied with the networks. Of it nothing is
left to luck, and no data go stale.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from qdiverge.rehearsal.batches import Batches
from qdiverge.rehearsal.stage import Stage
from qdiverge.update.copies import Copies
from qdiverge.update.td_update import Rows

MOST_BYTES = 256 * 2**20  # of a replay that is copied for each look


class GoingOn(Protocol):
    """A run in the middle of an update, which ``copy.deepcopy`` copies with all that it needs."""

    @property
    def takes(self) -> tuple[str, ...]:
        """Return the fields of the rule that ``take`` can change, beside the optimiser's step.

        The learning rate is among them where the run sets that of its optimiser anew.
        """

    def update(self) -> object:
        """Finish the update under way, or go on to the next and make it; at the end do nothing."""

    def take(self, change: Mapping[str, Any]) -> object:
        """Change fields of the rule, of a copy."""


Live = Callable[[Any], GoingOn | None]  # of the batch under way; None: not from this update on


def live_stage(frozen: Stage, run: GoingOn) -> Stage:
    """Return the stage of one copy of the run: environment, replay and all.

    Args:
        frozen: That of the same run on the data at hand; what is watched and its limit are its.
        run: What goes on.
    """
    original, probe = frozen.original, frozen.batches.probe()
    rule = replace(original.rule, target_period=None, polyak=None)  # the run moves its own
    actor = None if original.actor is None else replace(original.actor, optimizer=None)
    return replace(
        frozen,
        original=replace(
            original, rule=rule, actor=actor, loss=None, update=_go_on, others=(run,), take=_take
        ),
        batches=Batches(
            None, (probe,), None, 0, frozen.batches.device, frozen.batches.dtype, probe
        ),
    )  # fmt: skip


def array_bytes(holder: Any) -> int:
    """Return the bytes of the arrays that an object holds, such as a replay.

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> array_bytes(SimpleNamespace(rewards=np.zeros(1_000, np.float32), size=3))
    4000
    """
    return sum(value.nbytes for value in vars(holder).values() if hasattr(value, "nbytes"))


def _go_on(copies: Copies, _: Rows) -> None:
    copies.others[0].update()


def _take(copies: Copies, change: Mapping[str, Any]) -> None:
    run = copies.others[0]
    if own := {name: value for name, value in change.items() if name in run.takes}:
        run.take(own)
