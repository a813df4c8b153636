"""The last batches that a run was shown, copied, in bounded memory."""

from collections import deque

from qdiverge.monitor.shown_batch import Shown

MOST = 32  # batches
MOST_BYTES = 128 * 2**20


class RecentBatches:
    """Batches that a copy can learn from, the newest last.

    >>> import torch
    >>> recent = RecentBatches()
    >>> for _ in range(MOST + 1): recent.keep({"observations": torch.zeros(2, 3)})
    >>> len(recent.batches) == MOST
    True
    """

    def __init__(self) -> None:
        self.batches: deque[Shown] = deque(maxlen=MOST)

    def keep(self, shown: Shown) -> None:
        """Keep one; the oldest goes where they are too many, or too large."""
        size = sum(x.numel() * x.element_size() for x in shown.values())
        self.batches.append(shown)
        while len(self.batches) > max(1, MOST_BYTES // max(1, size)):
            self.batches.popleft()

    def clear(self) -> None:
        """Let go of all."""
        self.batches.clear()
