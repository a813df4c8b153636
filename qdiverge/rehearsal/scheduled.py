"""The learning rates of a copy: the run's, as its scheduler sets them, times what a remedy says."""

import warnings

import torch
from torch.optim.lr_scheduler import LRScheduler

SCHEDULED = r"Seems like `optimizer\.step\(\)` has been overridden"  # of a scheduler, in a copy


class Schedule:
    """Sets the learning rates of an optimiser after each update.

    Args:
        optimizer: Of a copy.
        scheduler: Its own, copied with it; None: the rates stay.
        rate: What they are multiplied by.

    Attributes:
        speed: s of a copy that makes s updates in one: the scheduler steps as often.

    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    >>> schedule = Schedule(sgd, torch.optim.lr_scheduler.ExponentialLR(sgd, 0.5), rate=0.25)
    >>> _ = sgd.step()
    >>> rates = [schedule.go_on() or sgd.param_groups[0]["lr"] for _ in range(2)]
    >>> [round(rate, 6) for rate in rates]
    [0.05, 0.025]
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, scheduler: LRScheduler | None, rate: float
    ) -> None:
        self._optimizer, self._scheduler, self._factor = optimizer, scheduler, 1.0
        self._own = [group["lr"] for group in optimizer.param_groups]
        self.speed, self._due = 1.0, 0.0
        self.multiply(rate)

    def multiply(self, factor: float) -> None:
        """Multiply the rates by a further factor, from now on."""
        self._factor *= factor
        self._set()

    def go_on(self) -> None:
        """Take the scheduler's step, or steps, after an update."""
        if self._scheduler is None:
            return
        for group, rate in zip(self._optimizer.param_groups, self._own, strict=True):
            group["lr"] = rate
        self._due += self.speed
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", SCHEDULED, UserWarning)
            while self._due >= 1:
                self._due -= 1
                self._scheduler.step()
        self._own = [group["lr"] for group in self._optimizer.param_groups]
        self._set()

    def _set(self) -> None:
        for group, rate in zip(self._optimizer.param_groups, self._own, strict=True):
            group["lr"] = self._factor * rate


def is_scheduled(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether a scheduler, which counts its steps, sets an optimiser's learning rates."""
    return hasattr(vars(optimizer).get("step"), "_wrapped_by_lr_sched")
