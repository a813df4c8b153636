"""One look for every figure: readable in print, safe for the colour-blind, fonts embedded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from paper_figures.tables import Table

BLUE, ORANGE, GREY, INK = "#0068b2", "#c24e00", "#8a867f", "#1c1b19"
PURPLE = "#8d4aa8"
PALE_BLUE, PALE_ORANGE, PAPER = "#cfe3f2", "#f6ddcc", "#ffffff"

SETTINGS: Any = {
    "figure.figsize": (5.4, 3.6),  # inches: one column and a half
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType, embedded
    "savefig.dpi": 200,
    "svg.hashsalt": "qdiverge",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw inside in the house's style, on a canvas that needs no display."""
    mpl.use("Agg")
    with mpl.rc_context(SETTINGS):
        yield


def foot(figure: Figure, table: Table, note: str) -> Figure:
    """Print a note and where the numbers come from under a figure, small; return the figure."""
    figure.supxlabel(f"{note}\n{table.source}", fontsize=5.5, color=GREY)
    return figure
