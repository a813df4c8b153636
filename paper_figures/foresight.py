"""What running ahead catches of runs that nobody chose, and how often it is wrong."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from analysis.statistics import wilson_interval
from experiments.foresight.corpus import RESULTS
from experiments.foresight.show import origin, read_evaluation
from paper_figures.style import BLUE, GREY, ORANGE, foot
from paper_figures.tables import Table, columns_of

TITLES = {
    "short": "up to 300 updates",
    "long": "10,000 updates, fixed data",
    "online": "2,000 updates, online",
    "replay": "2,000 updates, replay alone",
}


def compute() -> Table:
    """Return what each rule is worth, from the committed evaluation; runs nothing."""
    found = read_evaluation(RESULTS)
    rows = [
        {
            "kind": kind, "rule": rule, "caught": entry["caught"][0],
            "divergent": entry["caught"][1], "false": entry["false"][0],
            "sound": entry["false"][1],
        }
        for kind, rules in found["rules"].items()
        for rule, entry in rules.items()
    ]  # fmt: skip
    return Table(columns_of(rows), origin(found))


def make(table: Table) -> Figure:
    """Draw the shares caught and falsely called of each rule, with intervals, kind by kind."""
    columns = table.arrays
    kinds = list(dict.fromkeys(table.columns["kind"]))
    heights = [float((columns["kind"] == kind).sum()) for kind in kinds]
    figure, panels = plt.subplots(
        len(kinds), 1, figsize=(6.4, 1.2 + 0.17 * sum(heights)), sharex=True,
        height_ratios=heights,
    )  # fmt: skip
    for panel, kind in zip(np.atleast_1d(panels), kinds, strict=True):
        own = columns["kind"] == kind
        names = columns["rule"][own]
        places = np.arange(len(names))[::-1]
        for share, colour, mark, of in (("caught", BLUE, "o", "divergent"),
                                        ("false", ORANGE, "s", "sound")):  # fmt: skip
            counts, totals = columns[share][own], columns[of][own]
            intervals = [wilson_interval(int(k), int(n)) for k, n in
                         zip(counts, totals, strict=True)]  # fmt: skip
            low, high = np.array(intervals).T
            y = places + (0.12 if share == "caught" else -0.12)
            panel.hlines(y, 100 * low, 100 * high, color=colour, linewidth=1.0, alpha=0.6)
            label = f"{share} (of {totals.max()} {of})"
            panel.plot(100 * counts / totals, y, mark, color=colour, markersize=3.5, label=label)
        panel.axvline(3, color=GREY, linewidth=0.6, linestyle=":")
        panel.set_yticks(places, names, fontsize=6.5)
        panel.set_title(TITLES[kind], fontsize=8)
        panel.legend(fontsize=6, loc="lower right", bbox_to_anchor=(1, 0.97), ncols=2)
    np.atleast_1d(panels)[-1].set(xlim=(-2, 102), xlabel="share of runs, %")
    return foot(
        figure,
        table,
        "Thresholds were set on other problems and networks. Bars: 95 % (Wilson). Dotted: 3 %.",
    )
