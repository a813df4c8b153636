"""PreQN beside DQN, with a target network and without: return, alignment (Achiam et al. 2019)."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.statistics import bootstrap_interval
from paper_figures.style import BLUE, GREY, INK, ORANGE, PURPLE, foot
from paper_figures.tables import Table, chosen, from_study

METHODS = {
    "target": ("DQN", BLUE),
    "no_target": ("DQN, no target network", ORANGE),
    "preqn": ("PreQN", INK),
    "undamped": ("PreQN undamped", PURPLE),
}
LINES = ("-", "--", ":")  # a method's first, second and third step


def compute() -> Table:
    """Return the curves of experiments/preqn, a row for each point; trains nothing."""
    return from_study("preqn", _rows)


def _rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return ``score`` of a run's episodes and ``alignment`` of its updates, against the step."""
    run = {name: record[name] for name in ("environment", "method", "seed")}
    run["learning_rate"] = record["step"]
    curves = {"score": record["curve"], "alignment": record["series"]}
    return [
        run | {"measure": measure, "step": step, "value": value}
        for measure, curve in curves.items()
        for step, value in zip(curve["step"], curve[measure], strict=True)
    ]


def make(table: Table) -> Figure:
    """Draw for each task the returns above, the alignment below."""
    columns = table.arrays
    columns["value"] = np.array([np.nan if v is None else v for v in table.columns["value"]], float)
    tasks = list(dict.fromkeys(table.columns["environment"]))
    figure, panels = plt.subplots(2, len(tasks), figsize=(7.0, 5.2), sharex="col", squeeze=False)
    for (scores, alignments), task in zip(panels.T, tasks, strict=True):
        for axes, measure in ((scores, "score"), (alignments, "alignment")):
            _draw(axes, chosen(columns, environment=task, measure=measure))
        scores.set_title(task)
        alignments.axhline(0, color=GREY, linewidth=0.7)
        alignments.axhline(0.97, color=GREY, linewidth=0.7, linestyle=":")
        alignments.set(xlabel="agent steps", ylim=(None, 1.05))
    panels[0, 0].set_ylabel("return of training episodes")
    panels[1, 0].set_ylabel("alignment cos(ΔQ, δ)")
    lines, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, fontsize=6.5, loc="outside upper center", ncols=4)
    return foot(
        figure, table,
        f"Means of {table.num_seeds} seeds with 95 % bootstrap intervals. Dotted: η = 0.97, the "
        "alignment with the TD errors that undamped PreQN asks for.",
    )  # fmt: skip


def _draw(axes: Axes, columns: dict[str, np.ndarray]) -> None:
    """Draw a line for each method and step, a band of intervals over its seeds."""
    for method, (name, colour) in METHODS.items():
        of_method = chosen(columns, method=method)
        rates = dict.fromkeys(of_method["learning_rate"].tolist())
        for rate, line in zip(rates, LINES, strict=False):
            own = chosen(of_method, learning_rate=rate)
            points = [
                (step, values)
                for step in np.unique(own["step"])
                if len(values := _known(own["value"][own["step"] == step]))
            ]
            x = [step for step, _ in points]
            mean = [values.mean() for _, values in points]
            low, high = np.array([_interval(values) for _, values in points]).T
            axes.plot(
                x, mean, color=colour, linestyle=line, linewidth=1.2, label=f"{name}, α = {rate:g}"
            )
            axes.fill_between(x, low, high, color=colour, alpha=0.08, linewidth=0)


def _interval(values: np.ndarray) -> tuple[float, float]:
    return bootstrap_interval(values[:, None], lambda x: float(x.mean()), num_resamples=400)


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]
