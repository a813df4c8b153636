"""From runs to moments: what every predictor says at a time, and what happened afterwards.

A moment is an update at which the dear tier was measured and no value had passed the bound yet.
Nothing in a moment's scores looks beyond its own update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.foresight.corpus import Run
from experiments.foresight.recorder import EVERY, FULL_EVERY

WINDOW = 10  # measurements of the light tier in a growth rate, as in qdiverge's own
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of many runs, one after another.

    Attributes:
        run: Index of the run of each, [M].
        update: When it is, [M].
        scores: Predictor → what it says, [M]; larger: more dangerous; NaN: it says nothing.
        blow_up: The update of the run's blow-up; infinity where there was none, [M].
        end: Until when the run was followed, [M].
    """

    run: np.ndarray
    update: np.ndarray
    scores: dict[str, np.ndarray]
    blow_up: np.ndarray
    end: np.ndarray

    def within(self, horizon: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which moments can be asked about the next ``horizon`` updates, and the answer.

        Args:
            horizon: Updates, or one number for each moment.

        Returns:
            Whether the run was followed so far or blew up before, [M]; whether it did, [M].
        """
        until = self.update + horizon
        happens = self.blow_up <= until
        return happens | (self.end >= until), happens


def moments_of(runs: Sequence[Run]) -> Moments:
    """Return every moment of every run before its blow-up."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in SCORES}
    run, update, blow_up, end = [], [], [], []
    for index, each in enumerate(runs):
        happened = each.outcome.blow_up
        times = each.dear_updates
        times = times if happened is None else times[times < happened]
        views = [View(each, int(t)) for t in times]
        for name, score in SCORES.items():
            columns[name].append(np.array([score(view) for view in views], dtype=np.float64))
        run.append(np.full(len(times), index))
        update.append(times)
        blow_up.append(np.full(len(times), np.inf if happened is None else happened))
        end.append(np.full(len(times), each.end))
    return Moments(
        np.concatenate(run),
        np.concatenate(update),
        {name: np.concatenate(parts) for name, parts in columns.items()},
        np.concatenate(blow_up),
        np.concatenate(end),
    )


class View:
    """A run as it is known at one update: nothing later can be read from it."""

    def __init__(self, run: Run, update: int) -> None:
        self._run, self.update = run, update
        self.bound, self.learning_rate = run.bound, run.learning_rate

    def light(self, name: str) -> np.ndarray:
        """Return a metric of the light tier up to now, the newest last."""
        return self._run.light[name][: self.update // EVERY]

    def dear(self, name: str) -> np.ndarray:
        """Return a metric of the dear tiers up to now, the newest last."""
        return self._run.dear[name][: self.update // FULL_EVERY]

    def now(self, name: str) -> float:
        """Return the newest value of a metric."""
        past = self.light(name) if name in self._run.light else self.dear(name)
        return float(past[-1])

    def slope(self, name: str) -> float:
        """Return the growth rate of a light metric: e-folds per update, by least squares."""
        return slope(self.light(name)[-WINDOW:])

    @property
    def room(self) -> float:
        """Return ln(B / max|Q|): e-folds up to the bound."""
        return float(np.log(self.bound / max(self.now("q_abs_max"), TINY)))


def slope(values: np.ndarray) -> float:
    """Return the slope of ln y per update, y at every EVERY-th; NaN with fewer than three.

    >>> round(slope(np.exp(0.2 * np.arange(5))), 6)  # 0.2 in EVERY = 5 updates
    0.04
    """
    usable = np.isfinite(values) & (values > 0)
    if usable.sum() < 3:
        return float("nan")
    t, y = EVERY * np.flatnonzero(usable), np.log(values[usable])
    t = t - t.mean()
    return float(t @ (y - y.mean()) / (t @ t))


def forecast(rate: float, room: float) -> float:
    """Return the updates until the bound at ``rate`` e-folds each: infinity where nothing grows.

    >>> forecast(0.1, 2.0), forecast(-0.1, 2.0)
    (20.0, inf)
    """
    return room / rate if rate > 0 else float("inf")


def _soon(rate: float, room: float) -> float:
    """Return a rate over the e-folds left, 1 / forecast; where it falls the rate itself."""
    return rate / max(room, 0.05) if rate > 0 else rate


def _log(x: float) -> float:
    return float(np.log(max(x, TINY))) if np.isfinite(x) else float("nan")


def _share_of_most(past: np.ndarray) -> float:
    finite = past[np.isfinite(past)]
    return float(past[-1] / finite.max()) if len(finite) and finite.max() > 0 else float("nan")


SCORES: dict[str, Callable[[View], float]] = {
    # the values themselves
    "|Q| threshold": lambda v: -v.room,
    "|Q| growth rate": lambda v: v.slope("q_abs_max"),
    "|Q| growth forecast": lambda v: _soon(v.slope("q_abs_max"), v.room),
    "TD error size": lambda v: _log(v.now("td_error_abs_mean") / v.bound),
    "TD error growth rate": lambda v: v.slope("td_error_abs_mean"),
    "value churn": lambda v: _log(v.now("value_churn") / v.bound),
    "greedy churn": lambda v: v.now("greedy_churn"),
    "target lag": lambda v: v.now("target_lag") / v.bound,
    # one kernel
    "Achiam: rows that fail": lambda v: 1 - v.now("fraction_holding"),
    "Achiam: row ratio": lambda v: v.now("mean_row_ratio"),
    "sup-norm modulus": lambda v: v.now("modulus"),
    "kernel diagonal": lambda v: _log(v.learning_rate * v.now("kernel_diagonal_mean")),
    "linearisation error": lambda v: _log(v.now("linearisation_error")),
    # several kernels
    "self-excitation": lambda v: v.learning_rate * v.now("self_excitation"),
    "self-excitation, plain": lambda v: v.learning_rate * v.now("plain_excitation"),
    "self-exciting pairs": lambda v: v.now("transition_excitation_max"),
    "spectral rate": lambda v: float(np.log1p(v.now("spectral_radius"))),
    "spectral rate, plain": lambda v: v.now("plain_spectral_rate"),
    "spectral rate with target": lambda v: v.now("rate"),
    "spectral rate with target, plain": lambda v: v.now("plain_rate"),
    "spectral forecast": lambda v: _soon(v.now("rate"), v.room),
    "TD-error certificate": lambda v: v.now("certified_modulus"),
    "transient gain": lambda v: _log(v.now("transient_gain")),
    # features
    "feature rank": lambda v: -_share_of_most(v.dear("srank")),
    "dead units": lambda v: v.now("dead_units"),
    "dormant units": lambda v: v.now("dormant_units"),
    "co-adaptation": lambda v: _log(v.now("coadaptation")),
    "co-adaptation, cosine": lambda v: v.now("coadaptation_cosine"),
    "gradient interference": lambda v: v.now("gradient_cosine"),
    "effective step": lambda v: _log(v.now("effective_step")),
}
"""Every predictor, oriented beforehand so that more is more dangerous; none is fitted."""
