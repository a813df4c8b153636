"""The exact kernel: how long qdiverge and other libraries take for the same matrix."""

import json

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from experiments.speed.record import RESULTS
from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, chosen, columns_of

COLUMNS = ("case", "method", "version", "status", "least_ms", "floor_ms", "peak_mb")


def compute() -> Table:
    """Return the rows of experiments/speed; times nothing."""
    benchmark = json.loads((RESULTS / "kernel-cpu.json").read_text(encoding="utf-8"))
    rows = [{name: row[name] for name in COLUMNS} for row in benchmark["rows"]]
    return Table(columns_of(rows), benchmark["provenance"])


def make(table: Table) -> Figure:
    """Draw a panel for each case: a mark a method, and the floor that arithmetic sets."""
    columns = table.arrays
    cases = list(dict.fromkeys(table.columns["case"]))
    methods = [name for name in dict.fromkeys(table.columns["method"]) if "per_sample" not in name]
    figure, panels = plt.subplots(1, len(cases), figsize=(7.4, 2.9), sharey=True)
    for axes, case in zip(panels, cases, strict=True):
        own = chosen(columns, case=case)
        floor = own["floor_ms"][0]
        axes.axvline(floor, color=GREY, linewidth=0.8, linestyle=":")
        times = {method: own["least_ms"][own["method"] == method][0] for method in methods}
        ours = times["qdiverge"]
        for place, (method, time) in enumerate(times.items()):
            colour = ORANGE if method == "qdiverge" else BLUE
            if time is None:
                axes.text(1.6 * floor, place, "needs > 13 GB", fontsize=6, color=INK, va="center")
                continue
            axes.plot([floor, time], [place, place], color=colour, linewidth=2.5, alpha=0.35)
            axes.plot(time, place, "o", color=colour, markersize=4)
            if method != "qdiverge":
                label = f"{time / ours:.3g}×"
                axes.text(time * 1.35, place, label, fontsize=6, color=INK, va="center")
        title = case.replace("nature", "Nature").replace("mlp", "MLP").replace(" N=", "\nN = ")
        axes.set_title(title.replace(", all", ",\nall"), fontsize=8)
        axes.set(xscale="log", xlabel="ms", xlim=(0.7 * floor, 700 * floor))
        axes.minorticks_off()
        axes.tick_params(labelsize=7)
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].invert_yaxis()
    return foot(
        figure, table,
        "Least wall time of many calls, all methods interleaved in one process, fp32, two threads. "
        "Dotted: the least arithmetic at the measured matrix rate. ×: times qdiverge’s.",
    )  # fmt: skip
