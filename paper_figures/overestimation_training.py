"""What Q promises and what its greedy policy earns, along training: DQN and double DQN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table, columns_of, of_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = {"target_q": ("DQN", ORANGE), "double_q": ("double DQN", BLUE)}


def compute() -> Table:
    """Return every look at every agent of experiments/overestimation; trains nothing."""
    study, made = of_study("overestimation")
    names = ("step", "predicted", "realised", "score")
    rows = [
        {name: record[name] for name in ("environment", "bootstrap", "seed")}
        | dict(zip(names, look, strict=True))
        for record in study.records()
        if record["kind"] == "agent"
        for look in zip(*(record[name] for name in names), strict=True)
    ]
    return Table(columns_of(rows), made)


def make(table: Table) -> Figure:
    """Draw promises and returns on the left, their difference on the right."""
    import matplotlib.pyplot as plt

    columns = table.arrays
    figure, (values, bias) = plt.subplots(1, 2, figsize=(6.8, 3.2))
    for rule, (name, colour) in RULES.items():
        own = columns["bootstrap"] == rule
        steps = np.unique(columns["step"][own])
        means = {}
        for measure in ("predicted", "realised"):
            runs = np.stack([
                columns[measure][own & (columns["step"] == step)] for step in steps
            ])  # [looks, seeds]  # fmt: skip
            means[measure] = runs.mean(1)
        values.plot(
            steps, means["predicted"], "o-", color=colour, markersize=3, label=f"{name}: promised"
        )
        values.plot(
            steps, means["realised"], "s--", color=colour, markersize=3, label=f"{name}: earned"
        )
        for seed in np.unique(columns["seed"][own]):
            run = own & (columns["seed"] == seed)
            gap = columns["predicted"][run] - columns["realised"][run]
            bias.plot(columns["step"][run], gap, color=colour, linewidth=0.6, alpha=0.5)
        bias.plot(steps, means["predicted"] - means["realised"], color=colour, label=name)
    values.set(ylabel="discounted return", title=table.columns["environment"][0])
    values.legend(fontsize=6.5)
    bias.axhline(0, color=INK, linewidth=0.7)
    bias.set(ylabel="promised − earned", title="Overestimation")
    bias.legend(fontsize=7)
    for axes in (values, bias):
        axes.set_xlabel("agent steps")
    seeds = len(np.unique(columns["seed"]))
    foot(
        figure, table,
        f"Means of {seeds} seeds; thin: each. Promised: mean max$_a$ Q over the states of greedy "
        "episodes; earned: their mean discounted return from there on.",
    )  # fmt: skip
    return figure
