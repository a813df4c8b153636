"""What Q promises and what its greedy policy earns, along training: DQN and double DQN."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table, along, chosen, from_study

RULES = {"target_q": ("DQN", ORANGE), "double_q": ("double DQN", BLUE)}


def compute() -> Table:
    """Return every look at every agent of experiments/overestimation; trains nothing."""
    settings, series = (
        ("environment", "bootstrap", "seed"),
        ("step", "predicted", "realised", "score"),
    )
    return from_study(
        "overestimation",
        lambda record: along(record, settings, series) if record["kind"] == "agent" else (),
    )


def make(table: Table) -> Figure:
    """Draw promises and returns on the left, their difference on the right."""
    columns = table.arrays
    figure, (values, bias) = plt.subplots(1, 2, figsize=(6.8, 3.2))
    for rule, (name, colour) in RULES.items():
        own = chosen(columns, bootstrap=rule)
        steps = np.unique(own["step"])
        means = {
            measure: np.stack([own[measure][own["step"] == step] for step in steps]).mean(1)
            for measure in ("predicted", "realised")
        }
        values.plot(
            steps, means["predicted"], "o-", color=colour, markersize=3, label=f"{name}: promised"
        )
        values.plot(
            steps, means["realised"], "s--", color=colour, markersize=3, label=f"{name}: earned"
        )
        for seed in np.unique(own["seed"]):
            run = chosen(own, seed=seed)
            gap = run["predicted"] - run["realised"]
            bias.plot(run["step"], gap, color=colour, linewidth=0.6, alpha=0.5)
        bias.plot(steps, means["predicted"] - means["realised"], color=colour, label=name)
    values.set(ylabel="discounted return", title=table.columns["environment"][0])
    values.legend(fontsize=6.5)
    bias.axhline(0, color=INK, linewidth=0.7)
    bias.set(ylabel="promised − earned", title="Overestimation")
    bias.legend(fontsize=7)
    for axes in (values, bias):
        axes.set_xlabel("agent steps")
    return foot(
        figure, table,
        f"Means of {table.num_seeds} seeds; thin: each. Promised: mean max$_a$ Q over the states "
        "of greedy episodes; earned: their mean discounted return from there on.",
    )  # fmt: skip
