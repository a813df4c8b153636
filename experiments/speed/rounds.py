"""Time several functions in turn, round after round, so that a busy machine harms all alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

CLOCKS = ("wall", "cpu")  # cpu: processor time of all threads together


@dataclass
class Times:
    """The calls of one function.

    Attributes:
        wall: Seconds of each call.
        cpu: Seconds of processor time of each call, of all threads together.
        failure: The error that ended it, in one line.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    failure: str = ""

    def seconds(self, clock: str) -> list[float]:
        """Return the rounds by one of :data:`CLOCKS`."""
        return self.wall if clock == "wall" else self.cpu


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    budget: float,
    device: str = "cpu",
    turn: float,
) -> dict[str, Times]:
    """Return each function's times, taken round-robin.

    A turn is one call, or as many as fit into ``turn`` seconds. A function leaves the rounds when
    it fails or has used ``budget`` seconds, after its second round unless one is beyond the budget.
    """
    times = {name: Times() for name in functions}
    for done in range(repeats):
        for name, function in functions.items():
            mine = times[name]
            spent = sum(mine.wall)
            if mine.failure or (spent > budget and (done > 1 or max(mine.wall) > budget)):
                continue
            try:
                end = time.perf_counter() + turn
                _once(function, mine, device)
                while time.perf_counter() < end:
                    _once(function, mine, device)
            except Exception as error:  # a peer may fail in any way; the table says how
                mine.failure = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    return times


def _once(function: Callable[[], object], times: Times, device: str) -> None:
    synchronise(device)
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    synchronise(device)
    times.wall.append(time.perf_counter() - wall)
    times.cpu.append(time.process_time() - cpu)


def synchronise(device: str) -> None:
    """Wait for the device's queue."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


class MatrixProduct:
    """The fp32 product of two square matrices: what the hardware can do at best."""

    def __init__(self, device: str) -> None:
        size = 8192 if device.startswith("cuda") else 1024
        self.matrix = torch.randn(size, size, device=device)
        self.out = torch.empty_like(self.matrix)

    def __call__(self) -> None:
        """Multiply."""
        torch.mm(self.matrix, self.matrix, out=self.out)

    def rate(self, seconds: float) -> float:
        """Return GFLOP/s, additions and multiplications counted."""
        return 2e-9 * len(self.matrix) ** 3 / seconds
