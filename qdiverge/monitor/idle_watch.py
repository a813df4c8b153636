"""See a network that learns while the optimiser that is watched makes no step."""

from collections.abc import Sequence

import torch
from torch import nn

PATIENCE = 100  # batches after a step, before the network's numbers are noted, and before a look
NUM_ENTRIES = 8  # of each parameter


class IdleWatch:
    """Counts batches between two steps, and compares the network's parameters over them.

    Args:
        networks: What the optimiser is to train.

    >>> net = nn.Linear(1, 1)
    >>> watch = IdleWatch([net])
    >>> any(watch.is_idle(5) for _ in range(3 * PATIENCE))  # nothing moves it: an evaluation
    False
    >>> watch = IdleWatch([net])
    >>> said = []
    >>> for _ in range(3 * PATIENCE):
    ...     said.append(watch.is_idle(5))
    ...     with torch.no_grad(): _ = net.weight.add_(0.1)
    >>> said.index(True), sum(said)
    (200, 1)
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._parameters = [p for network in networks for p in network.parameters()]
        self._update, self._num, self._is_said = 0, 0, False
        self._before: torch.Tensor | None = None

    def is_idle(self, update: int) -> bool:
        """Take note of a batch; return, once, whether the network moved without a step.

        Args:
            update: Steps of the optimiser so far.
        """
        if update != self._update:
            self._update, self._num, self._before = update, 0, None
            return False
        self._num += 1
        if self._is_said or update == 0 or self._num % PATIENCE:
            return False
        now = self._print()
        self._is_said = self._before is not None and not torch.equal(now, self._before)
        self._before = now
        return self._is_said

    def _print(self) -> torch.Tensor:
        flat = [p.detach().reshape(-1) for p in self._parameters if p.numel()]
        each = [x[:: max(1, len(x) // NUM_ENTRIES)][:NUM_ENTRIES].double().cpu() for x in flat]
        return torch.cat(each)
