"""An eye beside the monitor: max|Q| on every training batch, looked at from outside.

It looks after each update, when the monitor's own hook is done, and draws no random number. The
monitor's clock stands still meanwhile, so that what it may spend is what it could without the eye.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import torch

from qdiverge.diagnostics.quiet import largest_value
from qdiverge.monitor import Monitor


class Eye:
    """What one run's values were on its own batches.

    Attributes:
        sizes: max|Q| after each update on the batch that it learnt from; ∞ where it is not finite.
        largest_reward: max|r| of all batches.
        cpu_seconds: Processor time that looking took.
        overhead: What the monitor says that it took, once it is closed.
        measured: Tier → how often the monitor measured it.
    """

    def __init__(self) -> None:
        self.sizes, self.largest_reward = array("f"), 0.0
        self.cpu_seconds, self._seconds = 0.0, 0.0
        self._monitor: Monitor | None = None

    @property
    def monitor(self) -> Monitor:
        """Return the monitor beside which it stands."""
        assert self._monitor is not None
        return self._monitor

    def follow(self, monitor: Monitor) -> None:
        """Look at every update from now on; called as soon as a monitor is attached."""
        self._monitor = monitor
        monitor.budget.restart(lambda: time.perf_counter() - self._seconds)
        batches: list[Any] = []

        def heard(show: Callable[..., Any]) -> Callable[..., Any]:
            def call(data: Any, *others: Any) -> Any:
                batches[:] = [data]
                return show(data, *others)

            return call

        monitor.show = heard(monitor.show)  # type: ignore[method-assign]  # on this one object
        monitor.batch = heard(monitor.batch)  # type: ignore[method-assign]  # so, too
        watched = monitor.subject.optimizer

        def look(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if optimizer is watched and batches:  # a copy that runs ahead has copies of its hooks
                self._look(monitor, batches.pop())

        watched.register_step_post_hook(look)

    def _look(self, monitor: Monitor, data: Any) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        s, a, r = (_part(data, name) for name in ("observations", "actions", "rewards"))
        a = a if a.is_floating_point() else a.flatten()
        size = largest_value(monitor.subject.networks, s, a, is_quiet=False)
        self.sizes.append(size if math.isfinite(size) else math.inf)
        self.largest_reward = max(self.largest_reward, float(r.abs().max()))
        self._seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu

    def first_beyond(self, size: float) -> int | None:
        """Return the first update after which a value was larger, or not finite.

        >>> eye = Eye()
        >>> eye.sizes.extend([1.0, 3.0, math.inf])
        >>> eye.first_beyond(2.0), eye.first_beyond(4.0), Eye().first_beyond(0.0)
        (2, 3, None)
        """
        return next((i for i, x in enumerate(self.sizes, 1) if not x <= size), None)


def _part(data: Any, name: str) -> torch.Tensor:
    part: torch.Tensor = data[name] if isinstance(data, Mapping) else getattr(data, name)
    return part
