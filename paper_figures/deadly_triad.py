"""The deadly triad: the share of soft divergence by each factor (van Hasselt et al. 2018)."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.statistics import wilson_interval
from experiments.deadly_triad.run import fractions
from experiments.deadly_triad.sweep import BASE, FACTORS
from paper_figures.style import BLUE, GREY, INK, foot
from paper_figures.tables import Table, from_study

TITLES = {
    "bootstrap": "Bootstrap", "n_step": "n-step return", "priority": "Priority exponent",
    "size": "Network size",
}  # fmt: skip
NAMES = {"q": "Q", "target_q": "target Q", "inverse_double_q": "inverse\ndouble Q",
         "double_q": "double Q"}  # fmt: skip
# van Hasselt et al. 2018: shares by bootstrap (61 and 10 % are from secondary descriptions of it);
# of the other factors only the direction
PUBLISHED = {"q": 0.61, "inverse_double_q": 0.33, "target_q": 0.14, "double_q": 0.10}
DIRECTIONS = {"n_step": "falls", "priority": "rises", "size": "rises"}


def compute() -> Table:
    """Return the cells of experiments/deadly_triad; runs nothing."""
    names = (*FACTORS, "environment", "learning_rate", "seed", "soft_divergent", "passed_at",
             "max_abs_q", "bound", "mean_score")  # fmt: skip
    return from_study("deadly_triad", lambda record: [{name: record[name] for name in names}])


def make(table: Table) -> Figure:
    """Draw a panel for each factor, the others at their base."""
    records = [
        dict(zip(table.columns, row, strict=True))
        for row in zip(*table.columns.values(), strict=True)
    ]
    figure, panels = plt.subplots(1, len(FACTORS), figsize=(7.4, 3.2), sharey=True)
    for axes, factor in zip(panels, FACTORS, strict=True):
        _draw(axes, factor, [row for row in fractions(records) if row["factor"] == factor])
    panels[0].set(ylabel="share of runs with max |Q| > 1/(1 − γ)", ylim=(-0.03, 1.03))
    panels[0].legend(fontsize=6.5, loc="upper right")
    count = len(table.columns["seed"])
    rest = ", ".join(str(NAMES.get(str(value), value)) for value in BASE.values())
    return foot(
        figure, table,
        f"{count} runs; each factor with the others at {rest} (bootstrap, n, priority, size). "
        "Lines: 95 % Wilson intervals. Hollow: published, of Atari runs;\nof the other factors "
        "the paper gives directions, named in grey.",
    )  # fmt: skip


def _draw(axes: Axes, factor: str, rows: list[dict[str, Any]]) -> None:
    """Draw the share at each level with its interval, and what was published."""
    levels = FACTORS[factor]
    label: str | None = "here"
    for row in rows:
        place, share = levels.index(row["level"]), row["count"] / row["total"]
        interval = wilson_interval(row["count"], row["total"])
        axes.plot([place, place], interval, color=BLUE, linewidth=1.5)
        axes.plot(place, share, "o", color=BLUE, markersize=6, label=label)
        axes.text(place + 0.12, share, f"{row['count']}/{row['total']}", fontsize=6, color=INK)
        label = None
    if factor == "bootstrap":
        places = np.arange(len(levels)) - 0.15
        published = [PUBLISHED[level] for level in levels]
        axes.plot(
            places, published, "D", markerfacecolor="none", color=GREY, markersize=6,
            label="published",
        )  # fmt: skip
    axes.set_xticks(range(len(levels)), [NAMES.get(str(level), str(level)) for level in levels])
    axes.tick_params(axis="x", labelsize=6.5)
    axes.set_xlim(-0.5, len(levels) - 0.3)
    axes.set_title(TITLES[factor], fontsize=9)
    if factor in DIRECTIONS:
        axes.text(
            0.98, 0.97, f"published: {DIRECTIONS[factor]}", fontsize=6.5, color=GREY, ha="right",
            transform=axes.transAxes, va="top",
        )  # fmt: skip
