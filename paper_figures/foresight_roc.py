"""What foresees divergence: the AUROC of every predictor, on problems and networks held out."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.foresight.combination import HORIZON
from experiments.foresight.corpus import RESULTS
from experiments.foresight.evaluate import COMBINATION
from experiments.foresight.show import origin, read_evaluation
from paper_figures.style import BLUE, GREY, INK, ORANGE
from paper_figures.tables import Table


def compute() -> Table:
    """Return the AUROC of each predictor with its interval, from the study's evaluation."""
    evaluation = read_evaluation(RESULTS)
    predictors = evaluation["predictors"]
    rows = sorted(
        (entry["auroc"][str(HORIZON)] | {"predictor": name} for name, entry in predictors.items()),
        key=lambda row: row["value"],
    )
    names = ("predictor", "value", "low", "high")
    return Table({name: [row[name] for row in rows] for name in names}, origin(evaluation))


def make(table: Table) -> Figure:
    """Draw a line for each predictor: its AUROC, and the 95 % interval over runs."""
    names = table.columns["predictor"]
    value, low, high = (np.array(table.columns[name]) for name in ("value", "low", "high"))
    place = np.arange(len(names))
    figure, axes = plt.subplots(figsize=(5.4, 5.6))
    for y, name in enumerate(names):
        colour = ORANGE if name == COMBINATION else BLUE if value[y] >= 0.8 else INK
        axes.plot([low[y], high[y]], [y, y], color=colour, linewidth=1.0)
        axes.plot(value[y], y, "o", color=colour, markersize=3.5)
    axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_yticks(place, names, fontsize=7)
    axes.set(xlim=(0, 1), ylim=(-1, len(names)), xlabel="AUROC on the test split")
    axes.set_title(f"Will this run pass r_max/(1−γ) within {HORIZON} updates?", fontsize=9)
    figure.supxlabel(
        f"Bars: 95 % bootstrap over runs; dotted: chance.\n{table.source}",
        fontsize=5.5,
        color=GREY,
    )
    return figure
