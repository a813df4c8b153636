"""What the figures of Fu et al. share: rows of experiments/bottlenecks, and how they are drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures.style import GREY, INK
from paper_figures.tables import Table, from_study

DOMAINS = {
    "grid16_one_hot": "grid 16, one-hot",
    "grid16_random": "grid 16, random features",
    "cliffwalk": "cliff walk",
    "sparse_graph": "sparse graph",
    "pendulum": "pendulum",
}
MARKERS = dict(zip(DOMAINS, "osD^v", strict=True))


def study_table(factors: dict[str, str], measures: tuple[str, ...]) -> Table:
    """Return a row for each seed of each cell of some parts of the study; runs nothing.

    Args:
        factors: Of each part, by its name, the setting that it varies; column ``level``.
        measures: Columns.
    """

    def rows_of(cell: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"study": cell["study"], "domain": cell["domain"], "algorithm": cell["algorithm"]}
            | {"level": cell[factors[cell["study"]]], "seed": number}
            | {name: seed[name] for name in measures if name in seed}
            for number, seed in enumerate(cell["seeds"] if cell["study"] in factors else [])
        ]

    return from_study("bottlenecks", rows_of)


def draw(
    axes: Axes,
    columns: dict[str, np.ndarray],
    measure: str,
    colour: str,
    label: str = "",
    **line: Any,
) -> None:
    """Draw the mean over domains and seeds against the level, and small each domain's own."""
    levels = list(dict.fromkeys(columns["level"].tolist()))
    means = [columns[measure][columns["level"] == level].mean() for level in levels]
    axes.plot(range(len(levels)), means, color=colour, label=label or None, zorder=3, **line)
    for domain in dict.fromkeys(columns["domain"].tolist()):
        for place, level in enumerate(levels):
            own = (columns["domain"] == domain) & (columns["level"] == level)
            axes.plot(
                place, columns[measure][own].mean(), MARKERS[domain], color=colour, alpha=0.45,
                markersize=3, markeredgewidth=0,
            )  # fmt: skip
    axes.set_xticks(range(len(levels)), [f"{level}" for level in levels])


def name_domains(figure: Figure, table: Table) -> None:
    """Say over the panels which marker is which domain."""
    handles = [
        Line2D([], [], marker=MARKERS[domain], color=GREY, linestyle="", markersize=4, label=name)
        for domain, name in DOMAINS.items()
        if domain in table.columns["domain"]
    ]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(handles), fontsize=7, labelcolor=INK
    )
