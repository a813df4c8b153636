"""A training step on Pong: processor time and replay memory, beside other people's loops."""

import json

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.learning.rows import MADE_BY
from experiments.speed.record import RESULTS
from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table, columns_of


def compute() -> Table:
    """Return the rows of experiments/speed; times nothing."""
    benchmark = json.loads((RESULTS / "trainer.json").read_text(encoding="utf-8"))
    rows = [
        {
            "loop": loop,
            "cpu_ms_per_step": row["cpu"]["ms_per_step"],
            "times_ours": row["cpu"]["times_ours"],
            "low": row["cpu"]["quartiles"][0],
            "high": row["cpu"]["quartiles"][1],
            "replay_bytes_per_transition": row["replay_bytes_per_transition"],
        }
        for loop, row in benchmark["rows"].items()
    ]
    return Table(columns_of(rows), {name: benchmark[name] for name in MADE_BY})


def make(table: Table) -> Figure:
    """Draw time against ours with quartiles, and bytes of a transition."""
    columns = table.arrays
    loops = table.columns["loop"]
    colours = [ORANGE if loop.startswith("qdiverge") else BLUE for loop in loops]
    figure, (times, memory) = plt.subplots(1, 2, figsize=(7.0, 2.6), sharey=True)
    places = np.arange(len(loops))
    times.barh(places, columns["times_ours"], color=colours, alpha=0.55, height=0.6)
    spread = np.stack(
        [columns["times_ours"] - columns["low"], columns["high"] - columns["times_ours"]]
    )
    times.errorbar(columns["times_ours"], places, xerr=spread, fmt="none", ecolor=INK, linewidth=1)
    for place, (high, ms) in enumerate(
        zip(columns["high"], columns["cpu_ms_per_step"], strict=True)
    ):
        times.text(high + 0.05, place, f"{ms:.1f} ms", fontsize=7, va="center")
    times.axvline(1, color=INK, linewidth=0.6)
    times.set(xlabel="processor time of a step, times ours", xlim=(0, 2.4))
    times.set_yticks(places, loops, fontsize=7)
    times.invert_yaxis()
    kilobytes = columns["replay_bytes_per_transition"] / 1_000
    memory.barh(places, kilobytes, color=colours, alpha=0.55, height=0.6)
    memory.set(xlabel="kB of replay a transition")
    return foot(
        figure, table,
        "One thread, an update at every fourth step, each loop in a process of its own, turns "
        "interleaved; lines: quartiles of 10 rounds.",
    )  # fmt: skip
