"""The kernel of a critic at its start: diagonal and row ratio over depth, width and activation."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table, along, chosen, from_study

COLOURS = {"relu": ORANGE, "tanh": INK, "sin": BLUE}
STARTS = {"glorot": "Glorot", "pytorch": "PyTorch’s default"}
MEASURES = {"diagonal": "mean $K_{ii}$", "row_ratio": "mean row ratio"}


def compute() -> Table:
    """Return the table of experiments/init_kernel, a row for each seed; measures nothing."""
    settings = ("start", "activation", "width", "depth")
    return from_study(
        "init_kernel",
        lambda r: along(r | {"seed": range(len(r["diagonal"]))}, settings, ("seed", *MEASURES)),
    )


def make(table: Table) -> Figure:
    """Draw both measures against depth, a line for each width (the thicker the wider)."""
    columns = table.arrays
    widths, depths = np.unique(columns["width"]), np.unique(columns["depth"])
    figure, panels = plt.subplots(2, 2, figsize=(5.4, 4.6), sharex=True, sharey="row")
    for row, (measure, name) in zip(panels, MEASURES.items(), strict=True):
        for axes, (start, title) in zip(row, STARTS.items(), strict=True):
            for activation, colour in COLOURS.items():
                for width in widths:
                    own = chosen(columns, start=start, activation=activation, width=width)
                    means = [own[measure][own["depth"] == depth].mean() for depth in depths]
                    thickness = 0.6 + 0.5 * np.log2(width / widths[0])
                    label = activation if width == widths[-1] else None
                    axes.plot(depths, means, color=colour, linewidth=thickness, label=label)
            axes.set_xticks(depths)
            if measure == "diagonal":
                axes.set(yscale="log", title=title)
            else:
                axes.set_xlabel("hidden layers")
        row[0].set_ylabel(name)
    panels[1, 0].set_ylim(bottom=0)
    panels[1, 0].legend(fontsize=7, loc="upper left")
    return foot(
        figure,
        table,
        f"Ant-v5, 256 pairs of random play, means of {table.num_seeds} seeds; the thicker the "
        f"wider: {', '.join(map(str, widths))}.",
    )
