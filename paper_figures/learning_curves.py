"""What the agents learn: the return of training episodes against agent steps, a line a seed."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.learning import rows
from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, chosen, columns_of, joint
from qdiverge.errors import RunFolderError

COMMAND = "python -m experiments run learning"
SMOOTHING = 0.05  # share of the run that one point is the mean of
COLOURS = (BLUE, ORANGE, INK, GREY)  # of the presets of a task


def compute() -> Table:
    """Return the curves of experiments/learning, a row for each point; trains nothing.

    Raises:
        RunFolderError: there is no result.
    """
    results = rows.load_all()
    if not results:
        raise RunFolderError(
            f"the figure needs results in {rows.RESULTS}", got="none", remedy=f"Run: {COMMAND}"
        )
    columns = columns_of(
        {key: result["row"][key] for key in ("environment", "preset", "seed", "goal")}
        | dict(zip(result["curve"], point, strict=True))
        for result in results
        for point in zip(*result["curve"].values(), strict=True)
    )
    made = joint([result["provenance"] for result in results])
    times = [result["row"]["cpu_seconds"] or result["row"]["seconds"] for result in results]
    made |= {"command": COMMAND, "seconds": sum(times)}  # wall time where no other was taken
    return Table(columns, made)


def smoothed(
    steps: np.ndarray, means: np.ndarray, counts: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over the episodes of the last ``width`` steps, where there are so many yet.

    >>> smoothed(np.array([1, 2, 3]), np.array([0.0, 3.0, 6.0]), np.array([1, 2, 1]), width=2)
    (array([2, 3]), array([2., 4.]))
    """
    total = np.concatenate([[0.0], np.cumsum(means * counts)])
    number = np.concatenate([[0], np.cumsum(counts)])
    first = np.searchsorted(steps, steps - width, side="right")
    last = np.arange(1, len(steps) + 1)
    full = steps >= width
    return steps[full], ((total[last] - total[first]) / (number[last] - number[first]))[full]


def make(table: Table) -> Figure:
    """Draw a panel for each task: every seed's smoothed curve, and the goal."""
    columns = table.arrays
    tasks = list(dict.fromkeys(table.columns["environment"]))
    figure, panels = plt.subplots(
        1, len(tasks), squeeze=False, figsize=(max(2.7 * len(tasks), 5.4), 2.9)
    )
    for axes, task in zip(panels[0], tasks, strict=True):
        own = chosen(columns, environment=task)
        for preset, colour in zip(dict.fromkeys(own["preset"]), COLOURS, strict=False):
            label = preset
            for seed in np.unique(chosen(own, preset=preset)["seed"]):
                line = chosen(own, preset=preset, seed=seed)
                steps, counts = line["step"], line["num_episodes"]
                points = smoothed(steps, line["mean_return"], counts, SMOOTHING * steps[-1])
                axes.plot(*points, color=colour, linewidth=1.0, alpha=0.8, label=label)
                label = None  # once for all seeds
        goal = own["goal"][0]
        if goal is not None:
            axes.axhline(goal, color=GREY, linewidth=0.8, linestyle=":")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(3, 3), useMathText=True)
        axes.set(title=task, xlabel="agent steps")
        axes.legend(fontsize=7, loc="lower right")
    panels[0, 0].set_ylabel("return of training episodes")
    return foot(
        figure,
        table,
        f"A line a seed, each point the mean over the last {SMOOTHING:.0%} of the run; dotted: the "
        "goal.",
    )
