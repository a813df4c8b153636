"""Runs that differ in their seed alone, and what they say together."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from qdiverge.report.drawing.decimate import MOST_POINTS, trailing_mean
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.facts import step_unit
from qdiverge.report.numbers import human
from qdiverge.report.questions.learning import RETURN_WINDOW
from qdiverge.report.verdict import Verdict
from qdiverge.runs import Run, Series

RETURN = "charts/episodic_return"


@dataclass(frozen=True)
class Group:
    """Runs of the same settings under different seeds, or a run alone.

    Attributes:
        name: What their names have in common, or the run's own.
        places: Which runs, by their places on the page.
    """

    name: str
    places: tuple[int, ...]

    @property
    def is_of_seeds(self) -> bool:
        """Tell whether there is something to take a mean of."""
        return len(self.places) > 1


def groups_of(runs: Sequence[Run]) -> list[Group]:
    """Return the runs in groups, in their order; a run whose seed is not known stays alone."""
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        alike[_settings(run)].append(place)
    groups = []
    for places in alike.values():
        seeds = [_seed(runs[place]) for place in places]
        if None in seeds or len(set(seeds)) < len(seeds):
            groups += [Group(runs[place].name, (place,)) for place in places]
        else:
            name = common_name([runs[place].name for place in places])
            groups.append(Group(name, tuple(places)))
    return sorted(groups, key=lambda group: group.places)


def common_name(names: Sequence[str]) -> str:
    """Return the beginning that names share, without what numbers them.

    >>> common_name(["pong-1", "pong-2"]), common_name(["a", "b"]), common_name(["x-1"])
    ('pong', 'a and others', 'x-1')
    """
    if len(names) == 1:
        return names[0]
    letters = takewhile(lambda each: len(set(each)) == 1, zip(*names, strict=False))
    shared = "".join(each[0] for each in letters).rstrip("-_ .(0123456789")
    return shared or f"{names[0]} and others"


def over_seeds(series: Sequence[Series], *, is_log: bool = False) -> tuple[Series, Series, Series]:
    """Return the mean, the least and the largest of several runs, while all of them last.

    At every step at which one was measured each counts with its value there, on the straight line
    between its own measurements; where one of these is no finite number, there is no mean. Of long
    series some steps are left out, evenly.

    Args:
        series: One of each run.
        is_log: Whether the lines are straight on a logarithmic axis, as they are drawn.

    >>> a = Series(np.array([0, 10, 20]), np.array([1.0, 2.0, 3.0]))
    >>> b = Series(np.array([5, 15]), np.array([5.0, 7.0]))
    >>> [(s.steps.tolist(), s.values.tolist()) for s in over_seeds([a, b])][0]
    ([5, 10, 15], [3.25, 4.0, 4.75])
    """
    first, last = max(s.steps[0] for s in series), min(s.steps[-1] for s in series)
    steps = np.unique(np.concatenate([s.steps for s in series]))
    steps = steps[(steps >= first) & (steps <= last)]
    steps = steps[:: -(-len(steps) // MOST_POINTS) or 1]
    values = np.array([_at(s, steps, is_log) for s in series]).reshape(len(series), len(steps))
    mean, least, largest = values.mean(0), values.min(0), values.max(0)
    return Series(steps, mean), Series(steps, least), Series(steps, largest)


def _at(series: Series, steps: np.ndarray, is_log: bool) -> np.ndarray:
    """Return the values at steps, NaN beside a measurement that has no place on the axis."""
    is_last = np.append(np.diff(series.steps) > 0, True)  # of several at one step
    is_placed = np.isfinite(series.values) & (series.values > 0 if is_log else True)
    values = np.where(is_placed, series.values, np.nan)[is_last]
    if is_log:
        return np.exp(np.interp(steps, series.steps[is_last], np.log(values)))
    return np.interp(steps, series.steps[is_last], values)


def seeds_table(
    runs: Sequence[Run], verdicts: Sequence[Verdict], groups: Sequence[Group]
) -> Markup:
    """Return a column for each group of seeds: how many, largest |Q|, returns, verdicts."""
    of_seeds = [group for group in groups if group.is_of_seeds]
    columns = []
    for group in of_seeds:
        counts = Counter(verdicts[place].health for place in group.places)
        returns = [_last_return(runs[place]) for place in group.places]
        columns.append(
            (
                f"{len(group.places)}",
                _spread([verdicts[place].largest for place in group.places]),
                _spread(returns),
                ", ".join(f"{count} {health}" for health, count in counts.most_common()),
            )
        )
    names = ("seeds", "largest |Q|", f"return, last {RETURN_WINDOW} episodes", "verdicts")
    head = element("tr", element("th", ""), *(element("th", group.name) for group in of_seeds))
    rows = [
        element("tr", element("th", name), *(element("td", cell) for cell in cells))
        for name, cells in zip(names, zip(*columns, strict=True), strict=True)
    ]
    return element("table", element("thead", head), element("tbody", *rows))


def _spread(values: Sequence[float]) -> str:
    """Write "mean 3, from 1 to 5", of those that have a number, and how many have none."""
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return "–"
    mean, least, largest = (human(float(f(finite))) for f in (np.mean, np.min, np.max))
    text = f"mean {mean}, from {least} to {largest}"
    missing = len(values) - len(finite)
    return f"{text}; {missing} without" if missing else text


def _last_return(run: Run) -> float:
    """Return the mean over the last finished episodes, NaN where none was logged."""
    series = run.series.get(RETURN)
    if series is None or not len(series.values):
        return float("nan")
    return float(trailing_mean(series, RETURN_WINDOW).values[-1])


def _config(run: Run) -> dict[str, object]:
    return config if isinstance(config := run.info.get("config"), dict) else {}


def _seed(run: Run) -> object:
    seed = _config(run).get("seed", run.info.get("seed"))
    return seed if isinstance(seed, int | str) else None


def _settings(run: Run) -> str:
    settings = {name: value for name, value in _config(run).items() if name != "seed"}
    return json.dumps([settings, step_unit(run)], sort_keys=True, default=str)
