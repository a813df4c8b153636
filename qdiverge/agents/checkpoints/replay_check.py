"""What a replay must be before anything is drawn from it: a checkpoint's files can hold anything.

Its rows may be of the right type, and still have actions that there are none of, or so few that
drawing one never ends.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.replay.ring import ReplayRing

RARELY = 3  # slots of which one has an action at least; an episode of one step makes it 2


def check_ring(replay: ReplayRing, num_actions: int | None) -> None:
    """Refuse a replay that cannot be learnt from.

    Args:
        replay: Filled from a checkpoint.
        num_actions: That there are; None: they are continuous.

    Raises:
        ValueError: its bookkeeping points out of it, or its actions are none.
    """
    head, filled, begun = replay.head, replay.filled, replay.begun
    is_inside = (head < replay.slots) & (filled <= replay.slots) & (filled <= begun)
    if not is_inside.all() or min(head.min(), filled.min()) < 0:
        raise ValueError(f"a ring of {replay.slots} slots, filled to {filled.tolist()}")
    has_one = replay.has_action(np.arange(replay.num_envs * replay.slots))
    if (
        num_actions is not None
        and replay.actions.reshape(-1)[has_one].max(initial=0) >= num_actions
    ):
        raise ValueError(f"an action that is none of {num_actions}")
    if RARELY * (_drawable(replay) & has_one).sum() < len(replay) - replay.num_envs:
        raise ValueError("hardly a slot that has an action")


def without_ends(replay: ReplayRing, leaves: NDArray[Any]) -> NDArray[np.float64]:
    """Return the priorities of all slots, 0 where a slot has no action to learn from.

    Raises:
        ValueError: they are no priorities of so many slots.
    """
    if leaves.shape != (replay.num_envs * replay.slots,) or leaves.dtype != np.float64:
        raise ValueError(f"priorities {list(leaves.shape)} of {leaves.dtype}")
    if not ((leaves >= 0) & (leaves < np.inf)).all():
        raise ValueError("a priority that is negative or no number")
    return np.where(replay.has_action(np.arange(len(leaves))), leaves, 0.0)


def _drawable(replay: ReplayRing) -> NDArray[np.bool_]:
    """Return which slots may be drawn, [E * slots]: those behind the newest."""
    back = (replay.head[:, None] - np.arange(replay.slots)) % replay.slots  # [E, slots], newest 0
    num = np.minimum(replay.filled - 1, replay.slots - replay.stack).clip(min=0)
    return ((back >= 1) & (back <= num[:, None])).reshape(-1)
