"""max|Q| between two measurements: at every update at first, then at growing distances.

Values that blow up do so within few updates as a rule: looked at every 25 updates, most have gone
from sound to beyond all bounds unseen.
"""

import torch

from qdiverge.diagnostics import Moment

EVERY_UPDATE_UNTIL = 300
NEVER = -1
ON_GPU = 5  # updates between two looks at least, since each waits for the device


class EarlyLook:
    """When to look, and whether the values are where no policy can bring them.

    Args:
        every: Updates between two measurements, which look, too.
        device: Where the network is.

    Attributes:
        due: The update after which to look.
    """

    def __init__(self, every: int, device: torch.device) -> None:
        self._every = every
        self._least = ON_GPU if device.type == "cuda" else 1
        self.due = self._least

    def is_beyond(self, moment: Moment, update: int) -> bool:
        """Return whether max|Q| is beyond the bound or not finite; if so, no more looks are due."""
        is_beyond = not float(moment.q_all.abs().max()) <= moment.bound
        self.due = NEVER if is_beyond else next_look(update, self._every, self._least)
        return is_beyond

    def switch_off(self) -> None:
        """Look no more."""
        self.due = NEVER


def next_look(update: int, every: int, least: int = 1) -> int:
    """Return the update after which to look again; where measurements are as frequent, none.

    >>> [next_look(n, 25) for n in (1, 299, 600, 7_499, 7_500)]
    [2, 300, 602, 7523, -1]
    """
    distance = max(least, update // EVERY_UPDATE_UNTIL)
    if distance >= every:
        return NEVER
    due = update + distance
    return due if due % every else due + 1
