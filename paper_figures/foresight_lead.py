"""Caught runs against false alarms, and how early: every alarm at its threshold from training."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.foresight.corpus import RESULTS
from experiments.foresight.evaluate import COMBINATION
from experiments.foresight.show import origin, read_evaluation
from paper_figures.style import BLUE, GREY, INK, ORANGE, PALE_BLUE
from paper_figures.tables import Table

FALSE_ALARMS, CAUGHT, LEAD = 0.05, 0.9, 0.2  # the study's goals
MARKED = (COMBINATION, "|Q| threshold", "self-excitation", "value churn")


def compute() -> Table:
    """Return caught, false alarms and median lead of each predictor and rule."""
    evaluation = read_evaluation(RESULTS)
    alarms = {name: entry["alarm"] for name, entry in evaluation["predictors"].items()}
    alarms |= {
        f"monitor, {when}": evaluation["rules"][when]["monitor"] for when in ("before", "after")
    }
    columns: dict[str, list[Any]] = {
        name: [] for name in ("alarm", "caught", "false_alarms", "median_lead")
    }
    for name, alarm in alarms.items():
        columns["alarm"].append(name)
        for rate in ("caught", "false_alarms"):
            columns[rate].append(round(alarm[rate]["count"] / max(alarm[rate]["total"], 1), 4))
        columns["median_lead"].append(alarm["median_lead"])
    return Table(columns, origin(evaluation))


def make(table: Table) -> Figure:
    """Draw both panels; the pale region is the goal."""
    names = table.columns["alarm"]
    caught, false, lead = (
        np.array(table.columns[name], dtype=float)
        for name in ("caught", "false_alarms", "median_lead")
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.6, 3.6), sharey=True)
    left.fill_between([0, FALSE_ALARMS], CAUGHT, 1, color=PALE_BLUE, zorder=0)
    right.fill_between([LEAD, 1], CAUGHT, 1, color=PALE_BLUE, zorder=0)
    marked = [i for i, name in enumerate(names) if name in MARKED or name.startswith("monitor")]
    for i, name in enumerate(names):
        colour = ORANGE if name == COMBINATION else BLUE if name.startswith("monitor") else INK
        for axes, x in ((left, false[i]), (right, lead[i])):
            axes.plot(x, caught[i], "o", color=colour if i in marked else GREY, markersize=4)
            if i in marked and axes is left:
                axes.annotate(
                    name, (x, caught[i]), xytext=(4, 3), textcoords="offset points", fontsize=6,
                    color=colour,
                )  # fmt: skip
    left.set(xlim=(-0.01, 0.3), ylim=(-0.02, 1.04), xlabel="false alarms, share of sound runs")
    left.set_ylabel("divergent runs caught")
    right.set(xlim=(-0.02, 1), xlabel="median lead, share of the time to blow-up")
    figure.supxlabel(
        "Test split; thresholds and constants from training, at 5 % of its sound runs. Pale: the "
        f"goal.\n{table.source}",
        fontsize=5.5,
        color=GREY,
    )
    return figure
