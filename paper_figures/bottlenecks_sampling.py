"""Sampling error and overfitting: fewer samples, more gradient steps, an oracle that stops them."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from paper_figures.bottleneck_study import draw, name_domains, study_table
from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table, chosen

FACTORS = {"samples": "num_samples", "steps": "gradient_steps", "stopping": "stopping"}
MEASURES = ("train_loss", "validation_loss", "fqi_error", "returns")
XLABELS = {
    "samples": "new samples an iteration",
    "steps": "gradient steps an iteration",
    "stopping": "oracle that stops a fit",
}

APART: dict[str, Any] = {"linestyle": "", "marker": "_", "markersize": 22}  # levels in no order


def compute() -> Table:
    """Return the rows of the study's samples, gradient steps and early stopping."""
    return study_table(FACTORS, MEASURES)


def make(table: Table) -> Figure:
    """Draw losses above, returns below, against each of the three."""
    columns = table.arrays
    figure, panels = plt.subplots(2, 3, figsize=(7.2, 4.6), sharey="row", sharex="col")
    for (losses, returns), (study, xlabel) in zip(panels.T, XLABELS.items(), strict=True):
        replay = chosen(columns, study=study, algorithm="replay")
        line = APART if study == "stopping" else {}
        dashes = line or {"linestyle": "--"}
        draw(losses, replay, "train_loss", BLUE, "training loss", **line)
        draw(losses, replay, "validation_loss", ORANGE, "validation loss", **dashes)
        draw(returns, replay, "returns", INK, "replay", **line)
        returns.set_xlabel(xlabel)
    losses = panels[0, 0]
    losses.set(yscale="log", ylabel="Bellman error² / max |Q*|²")
    losses.legend(fontsize=7)
    fresh = chosen(columns, study="samples", algorithm="sampled")
    draw(panels[1, 0], fresh, "returns", BLUE, "fresh samples only", linestyle="--")
    panels[1, 0].legend(fontsize=7, loc="lower right")
    panels[1, 0].set(ylabel="return", ylim=(None, 1.15))
    name_domains(figure, table)
    for axes, title in zip(panels[0], ("Samples", "Gradient steps", "Early stopping"), strict=True):
        axes.set_title(title)
    return foot(
        figure, table,
        "Network 64×64. Line: mean over domains and 3 seeds; marks: domains. Steps and stopping: "
        "32 samples an iteration, replay; stopping: of 200 steps.\nReturn: 0 uniform policy, 1 "
        "optimal.",
    )  # fmt: skip
