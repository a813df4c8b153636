"""What alarm rules look back on: the recent past of a few metrics, in bounded memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

PAST_LENGTH = 1_000  # measurements of a metric that are looked back on


@dataclass(frozen=True)
class Track:
    """One metric, oldest first.

    Attributes:
        updates: Optimiser updates at each measurement, [T].
        values: What was measured, [T].
    """

    updates: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.updates)

    def since(self, update: float) -> "Track":
        """Return the measurements at ``update`` and after."""
        start = int(np.searchsorted(self.updates, update))
        return Track(self.updates[start:], self.values[start:])

    def last(self, count: int) -> "Track":
        """Return the last ``count`` measurements, or as many as there are.

        >>> track = Track(np.arange(3), np.ones(3))
        >>> len(track.last(2)), len(track.last(0)), len(track.last(5))
        (2, 0, 3)
        """
        start = max(0, len(self) - count)
        return Track(self.updates[start:], self.values[start:])


def streak(is_so: np.ndarray) -> int:
    """Return how many of the last entries in a row are true.

    >>> streak(np.array([True, False, True, True]))
    2
    """
    others = np.flatnonzero(~is_so)
    return len(is_so) - (int(others[-1]) + 1 if len(others) else 0)


NOTHING = Track(np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Past:
    """The recent measurements of a run.

    Attributes:
        tracks: Metric, such as ``diverge/q_abs_max`` → its past; dear metrics are measured less
            often than cheap ones.
        bound: The soft-divergence bound r_max/(1−γ).
        reward_bound: r_max.
        learning_rate: α of the loss ½ Σ ρ_i δ_i², as it is now.
    """

    tracks: Mapping[str, Track] = field(default_factory=dict)
    bound: float = 100.0
    learning_rate: float = 0.0
    reward_bound: float = 1.0

    @property
    def limit(self) -> float:
        """Return the size from which values count as divergent now; the bound if not measured."""
        limits = self["divergence_limit"].values
        return float(limits[-1]) if len(limits) else self.bound

    def __getitem__(self, name: str) -> Track:
        """Return the past of ``diverge/NAME``; empty where it was never measured."""
        return self.tracks.get(f"diverge/{name}", NOTHING)


class History:
    """What rules need of the measurements so far; a metric that is not asked for is not kept.

    >>> history = History({"diverge/q_abs_max"}, length=2)
    >>> for update in range(5):
    ...     history.add(update, {"diverge/q_abs_max": 10.0 * update, "diverge/q_mean": 0.0})
    >>> history.tracks()["diverge/q_abs_max"].values.tolist()
    [30.0, 40.0]
    """

    def __init__(self, names: Iterable[str], length: int = PAST_LENGTH) -> None:
        self._length = length
        self._rows = {name: np.empty((2, 2 * length)) for name in sorted(names)}
        self._ends = dict.fromkeys(self._rows, 0)

    def add(self, update: int, metrics: Mapping[str, float]) -> None:
        """Keep one measurement."""
        for name, rows in self._rows.items():
            if name in metrics:
                end = self._ends[name]
                if end == rows.shape[1]:  # the last half moves to the front
                    rows[:, : self._length] = rows[:, self._length :].copy()
                    end = self._length
                rows[:, end] = update, metrics[name]
                self._ends[name] = end + 1

    def tracks(self) -> dict[str, Track]:
        """Return the past of each metric, at most ``length`` measurements; views, not copies."""
        tracks = {}
        for name, rows in self._rows.items():
            end = self._ends[name]
            start = max(0, end - self._length)
            tracks[name] = Track(rows[0, start:end], rows[1, start:end])
        return tracks

    def state(self) -> dict[str, list[list[float]]]:
        """Return all that it holds: metric → updates and values."""
        tracks = self.tracks()
        return {name: [t.updates.tolist(), t.values.tolist()] for name, t in tracks.items()}

    def restore(self, state: Mapping[str, list[list[float]]]) -> None:
        """Hold again what ``state`` returned."""
        for name, (updates, values) in state.items():
            for update, value in zip(updates, values, strict=True):
                self.add(int(update), {name: value})
