"""The distribution of the data: return by weighting, and against its entropy and its shift."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.bottlenecks.summary import correlations
from paper_figures.bottleneck_study import MARKERS, name_domains, study_table
from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table

NAMES = {
    "pi": "π", "pi_star": "π*", "replay": "replay", "replay10": "replay, last 10",
    "prioritised": "by |Bellman error|", "adversarial": "adversarial", "afm": "AFM",
    "uniform": "uniform", "random": "random play",
}  # fmt: skip
SCATTERED = {"entropy": "entropy / maximum", "shift": "total-variation shift"}


def compute() -> Table:
    """Return the rows of the study's weightings."""
    return study_table({"weightings": "weighting"}, ("fqi_error", "returns", *SCATTERED))


def make(table: Table) -> Figure:
    """Draw returns by weighting from best to worst, and both scatter plots."""
    columns = table.arrays
    levels = list(dict.fromkeys(table.columns["level"]))
    means = {level: columns["returns"][columns["level"] == level].mean() for level in levels}
    order = sorted(levels, key=means.__getitem__)
    figure, (ranks, *scatters) = plt.subplots(
        1, 3, figsize=(7.2, 3.3), width_ratios=[1.3, 1, 1], sharex=False
    )
    for place, level in enumerate(order):
        colour = ORANGE if level == "afm" else BLUE
        ranks.plot([0, means[level]], [place, place], color=colour, linewidth=4, alpha=0.35)
        ranks.plot(means[level], place, "|", color=colour, markersize=10, markeredgewidth=2)
        for domain in dict.fromkeys(table.columns["domain"]):
            own = (columns["level"] == level) & (columns["domain"] == domain)
            ranks.plot(
                columns["returns"][own].mean(), place, MARKERS[domain], color=INK, markersize=3
            )
    ranks.set_yticks(range(len(order)), [NAMES[level] for level in order], fontsize=7)
    ranks.set(xlabel="return", title="By weighting")
    ranks.axvline(0, color=INK, linewidth=0.6)
    tests = correlations(_seeds(columns))
    for axes, (name, xlabel) in zip(scatters, SCATTERED.items(), strict=True):
        for domain in dict.fromkeys(table.columns["domain"]):
            own = columns["domain"] == domain
            for colour, part in ((BLUE, own & (columns["level"] != "afm")),
                                 (ORANGE, own & (columns["level"] == "afm"))):  # fmt: skip
                axes.plot(
                    columns[name][part], columns["returns"][part], MARKERS[domain], color=colour,
                    markersize=3.5, alpha=0.7, markeredgewidth=0,
                )  # fmt: skip
        correlation, p = tests[name]
        title = f"ρ = {correlation:+.2f}, p = {p:.1g}".replace("-", "−", 1)
        axes.set_title(title, fontsize=8.5)
        axes.set_xlabel(xlabel)
    scatters[1].sharey(scatters[0])
    scatters[0].set_ylabel("return")
    name_domains(figure, table)
    return foot(
        figure, table,
        "Exact backups, network 64×64, 3 seeds a domain. Orange: AFM. Entropy of the weights; "
        "their shift from an\niteration to the next. Return: 0 uniform policy, 1 optimal. ρ: "
        "Spearman’s, each domain’s mean taken off both sides.",
    )  # fmt: skip


def _seeds(columns: dict[str, np.ndarray]) -> list[dict]:
    """Return the rows as the study's summary takes them."""
    names = ("study", "domain", "returns", *SCATTERED)
    rows = zip(*(columns[name] for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]
