"""Continuous control: returns while learning, and how well each update was aligned."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, chosen, from_study

PER_ROW = 3  # tasks
NUM_BINS = 16  # of a run: each point is the mean over what fell into one
METHODS = {"preqn": "PreQN-DDPG", "ddpg": "DDPG", "td3": "TD3", "sac": "SAC",
           "sb3-td3": "TD3 of SB3", "sb3-sac": "SAC of SB3"}  # fmt: skip
COLOURS = {"preqn": ORANGE, "ddpg": GREY, "td3": BLUE, "sac": INK, "sb3-td3": BLUE, "sb3-sac": INK}
MEASURES = {"return": "training return", "alignment": r"$\cos(\Delta Q, \delta)$"}


def compute() -> Table:
    """Return the curves of experiments/control, a row for each point; trains nothing."""
    return from_study("control", _rows)


def _rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the points of one run: ``return`` of its episodes, ``alignment`` of its updates."""
    run = {name: record[name] for name in ("environment", "method", "seed")}
    for measure, steps, values in (
        ("return", record["episode_steps"], record["returns"]),
        ("alignment", record["report_steps"], record["alignments"]),
    ):
        numbers = np.array(values, float)  # not a number: a refused step, which moved nothing
        is_number = np.isfinite(numbers)
        points = binned(np.array(steps)[is_number], numbers[is_number], record["length"])
        for step, value in zip(*points, strict=True):
            yield run | {"measure": measure, "step": step, "value": value}


def binned(steps: np.ndarray, values: np.ndarray, length: int) -> tuple[list[int], list[float]]:
    """Return the ends of the stretches of a run in which something fell, and the means there.

    >>> binned(np.array([10, 90, 100]), np.array([1.0, 2.0, 4.0]), length=160)
    ([10, 90, 100], [1.0, 2.0, 4.0])
    """
    edges = np.linspace(0, length, NUM_BINS + 1)
    stretch = np.searchsorted(edges, steps, side="left")
    filled = np.unique(stretch)
    means = [round(float(values[stretch == number].mean()), 4) for number in filled]
    return [round(edges[number]) for number in filled], means


def make(table: Table) -> Figure:
    """Draw two panels for each task: returns above, alignment below; seeds thin, mean thick."""
    columns = table.arrays
    tasks = list(dict.fromkeys(table.columns["environment"]))
    width = min(len(tasks), PER_ROW)
    num_rows = -(-len(tasks) // width)
    size = max(2.3 * width, 5.4), (3.0 if num_rows > 1 else 4.2) * num_rows + 0.4
    figure, panels = plt.subplots(2 * num_rows, width, squeeze=False, figsize=size)
    for number in range(len(tasks), num_rows * width):
        for axes in panels[2 * (number // width) :, number % width][:2]:
            axes.set_visible(False)
    for down, (measure, name) in enumerate(MEASURES.items()):
        for number, task in enumerate(tasks):
            axes = panels[2 * (number // width) + down, number % width]
            for method, label in METHODS.items():
                own = chosen(columns, measure=measure, environment=task, method=method)
                look = {"color": COLOURS[method], "linestyle": ":" if "sb3" in method else "-"}
                for seed in np.unique(own["seed"]):
                    line = chosen(own, seed=seed)
                    axes.plot(line["step"], line["value"], **look, lw=0.5, alpha=0.35)
                steps = np.unique(own["step"])
                means = [own["value"][own["step"] == step].mean() for step in steps]
                if len(steps):
                    axes.plot(steps, means, **look, label=label)
            if measure == "return":
                axes.set_title(task)
            else:
                axes.axhline(0.97, color=GREY, linewidth=0.6, linestyle="--")
                axes.set(xlabel="agent steps", ylim=(min(0.0, axes.get_ylim()[0]), 1.03))
            if number % width == 0:
                axes.set_ylabel(name)
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(*handles, fontsize=7, loc="outside upper center", ncols=len(METHODS))
    note = "Thick: the mean over seeds. Dashed: the least alignment that PreQN accepts, 0.97."
    return foot(figure, table, note)
