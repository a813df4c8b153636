"""max|Q| between two measurements: at every update at first, then at growing distances.

Values that blow up do so within few updates as a rule: looked at every 25 updates, most have gone
from sound to beyond all bounds unseen.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qdiverge.diagnostics import Transitions
from qdiverge.diagnostics.quiet import largest_value, leaves_no_trace, quiet_call
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.measuring import Measuring
from qdiverge.monitor.subject import Subject

EVERY_UPDATE_UNTIL = 300
THEN = 60  # a 60th of the updates made lies between two looks
NEVER = -1
ON_GPU = 5  # updates between two looks at least, since each waits for the device
FEW = 8  # rows that are looked at where time is short: those of the largest values
NEAR = 2  # times as large, and the values of the few are beyond their limit: all are looked at
AGAIN = 4  # times as many looks, and whether one leaves a trace is seen anew


class BareCalls:
    """Whether networks can be called as they stand: with no trace, as was seen, and seen again.

    To call a network as if nobody had takes several times as long as the call itself.

    Args:
        networks: To be called.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._networks = networks
        self._parts: list[nn.Module] = []
        self._flags: list[bool] = []
        self._is_traceless = False
        self._num_asked, self._due = 0, 1

    def are_fine(self, *inputs: Tensor) -> bool:
        """Return whether to call the networks on these inputs as they stand.

        Seen anew in another mode, and at the first call, the 4th, the 16th and so on.
        """
        if torch.is_autocast_enabled(inputs[0].device.type):
            return False
        self._num_asked += 1
        if self._num_asked >= self._due or self._flags != [x.training for x in self._parts]:
            self._parts = [part for network in self._networks for part in network.modules()]
            self._flags = [part.training for part in self._parts]
            self._is_traceless = all(leaves_no_trace(each, *inputs) for each in self._networks)
            self._due = AGAIN * self._num_asked
        return self._is_traceless


class EarlyLook:
    """When to look, and whether the values are where no policy can bring them.

    As often as the budget allows. Where it does not allow each look, the few transitions of the
    largest values stand for all, which are looked at once those come near the limit.

    Args:
        subject: The run.
        measuring: Holds the transitions to look at, and the rewards seen.
        guard: Of errors.

    Attributes:
        due: The update after which to look.
    """

    def __init__(self, subject: Subject, measuring: Measuring, guard: Guard) -> None:
        self._networks, self._every = subject.networks, subject.options.every
        self._measuring, self._guard = measuring, guard
        self._bare = BareCalls(subject.networks)
        self._least = ON_GPU if subject.device.type == "cuda" else 1
        self._batch: Transitions | None = None  # that was looked at last
        self._few: Transitions | None = None  # of it; None: time is not short
        self.due = self._least

    @property
    def next_look(self) -> float:
        """Return the update after which to look next."""
        return math.inf if self.due == NEVER else self.due

    def sees_beyond(self, update: int) -> bool:
        """Return whether max|Q| is beyond its limit, or not finite, and a measurement is due.

        Args:
            update: Optimiser updates made.
        """
        measuring = self._measuring
        if self.due == NEVER or update < self.due or not measuring.has_batch:
            return False
        is_beyond = False
        with self._guard("looking at the values", update, self.end):
            with measuring.budget.charge("look"):
                is_beyond = self._look()
            wait = measuring.budget.wait_for_look()
            if wait and self._few is None:
                self._few = self._pick()
            self.due = next_look(update, self._every, self._least, wait)
        return is_beyond

    def end(self) -> None:
        """Look no more."""
        self.due = NEVER

    def _look(self) -> bool:
        limit = self._measuring.limit
        if self._batch is not (batch := self._measuring.batch):
            self._batch, self._few = batch, None
        if self._few is not None and NEAR * self._largest(self._few) <= limit:
            return False
        return not self._largest(batch) <= limit

    def _largest(self, batch: Transitions) -> float:
        is_quiet = not self._bare.are_fine(*_inputs(batch))
        return largest_value(self._networks, batch.observations, batch.actions, is_quiet)

    def _pick(self) -> Transitions | None:
        """Return the transitions of the largest values; None where there are few."""
        batch = self._measuring.batch
        if len(batch) <= FEW:
            return None
        answers = [quiet_call(network, *_inputs(batch)) for network in self._networks]
        values = [v for x in answers for v in (x if isinstance(x, tuple | list) else (x,))]
        sizes = torch.stack([v.abs().reshape(len(batch), -1).amax(1) for v in values]).amax(0)
        return batch.select(sizes.topk(FEW).indices)


def _inputs(batch: Transitions) -> tuple[Tensor, ...]:
    s, a = batch.observations, batch.actions
    return (s, a) if a.is_floating_point() else (s,)


def next_look(update: int, every: int, least: int = 1, wait: int = 0) -> int:
    """Return the update after which to look again; where measurements are as frequent, none.

    Args:
        update: Updates made.
        every: Updates between measurements.
        least: Updates between two looks at least.
        wait: Updates until there is time for one.

    >>> [next_look(n, 25) for n in (1, 299, 600, 1_499, 1_500)]
    [2, 301, 610, 1523, -1]
    >>> next_look(1, 25, wait=30)
    31
    """
    distance = max(least, 1 if update < EVERY_UPDATE_UNTIL else update // THEN)
    if distance >= every:
        return NEVER
    due = update + max(distance, wait)
    return due if due % every else due + 1
