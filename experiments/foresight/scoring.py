"""How good a score is: AUROC, thresholds at a rate of false alarms, and intervals by runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from analysis.statistics import wilson_interval

NUM_RESAMPLES = 400
LARGEST = 1e30  # of a threshold, in place of infinity


def auroc(scores: np.ndarray, happens: np.ndarray) -> float:
    """Return P(score of a moment before a blow-up > score of another), ties counted half.

    By ranks: (Σ ranks of the positives − n₊(n₊+1)/2) / (n₊ n₋). A score that says nothing (NaN)
    ranks below all others. NaN where one of the two kinds is missing.

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    positive = int(happens.sum())
    negative = len(happens) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(np.where(np.isnan(scores), -np.inf, scores))
    above = ranks[happens].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def by_runs(
    statistic: Callable[[np.ndarray], float],
    run: np.ndarray,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a 95 % percentile interval: whole runs are resampled, since moments of one are alike.

    Args:
        statistic: Of an index into the moments.
        run: The run of each moment, [M].
        num_resamples: Bootstrap samples; those without a value are left out.
        seed: Of the resampling.
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(run == each) for each in np.unique(run)]
    values = []
    for _ in range(num_resamples):
        chosen = rng.integers(len(groups), size=len(groups))
        values.append(statistic(np.concatenate([groups[i] for i in chosen])))
    finite = np.array(values)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Rate:
    """A count out of a total, with its 95 % Wilson interval."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """Return the share; NaN of nothing."""
        return self.count / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's interval, which is sound also at none and all."""
        if not self.total:
            return float("nan"), float("nan")
        return wilson_interval(self.count, self.total)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count}/{self.total} = {self.value:.0%} [{low:.0%}, {high:.0%}]"


def first_alarms(
    scores: np.ndarray, run: np.ndarray, update: np.ndarray, threshold: float
) -> dict[int, int]:
    """Return run → the first update at which its score exceeds the threshold, where it does."""
    first: dict[int, int] = {}
    for index in np.flatnonzero(scores > threshold):
        first.setdefault(int(run[index]), int(update[index]))
    return first


def threshold_at(
    scores: np.ndarray, run: np.ndarray, is_safe: np.ndarray, false_alarms: float
) -> float:
    """Return the least threshold at which at most that share of the safe runs ever raises an alarm.

    Args:
        scores: [M]; NaN raises no alarm.
        run: [M].
        is_safe: By run: it never diverges.
        false_alarms: The share of safe runs, such as 0.05.

    >>> scores, run = np.array([1.0, 3.0, 2.0, 9.0]), np.array([0, 0, 1, 2])
    >>> threshold_at(scores, run, np.array([True, True, False]), 0.0)
    3.0
    """
    largest = [
        float(np.nanmax(np.append(scores[run == index], -np.inf)))
        for index in np.flatnonzero(is_safe)
    ]
    allowed = int(np.floor(false_alarms * len(largest) + 1e-9))
    threshold = sorted(largest, reverse=True)[allowed] if allowed < len(largest) else -np.inf
    return float(np.clip(threshold, -LARGEST, LARGEST))
