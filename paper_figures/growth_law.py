"""How Q blows up under SGD and Adam, and how early the end is foreseen (Yue et al. 2023)."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, chosen, from_study

OPTIMIZERS = {"sgd": ("SGD", ORANGE, "o"), "adam": ("Adam", BLUE, "s")}
LINES = {2: "-", 3: "--", 4: ":", 5: "-."}  # by depth


def compute() -> Table:
    """Return growth, exponents and forecasts of experiments/growth_law, a row each."""
    return from_study("growth_law", _rows)


def _rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a run's ``growth`` (update, mean |Q|), ``exponent``, ``forecast`` (at, of when)."""
    run = {name: record[name] for name in ("optimizer", "depth", "seed", "end")}
    run["expected_exponent"] = record["expected_exponent"]
    blank = {"lower": None, "upper": None}
    rows = [
        run | {"part": "growth", "x": update, "y": q} | blank
        for update, q in zip(record["updates"], record["mean_abs_q"], strict=True)
    ]
    rows.append(run | {"part": "exponent", "x": record["depth"], "y": record["exponent"]} | blank)
    forecasts = record["forecasts"]
    names = ("at", "time", "lower", "upper")
    for at, time, lower, upper in zip(*(forecasts.get(name, []) for name in names), strict=True):
        rows.append(run | {"part": "forecast", "x": at, "y": time, "lower": lower, "upper": upper})
    return rows


def make(table: Table) -> Figure:
    """Draw the growth, its exponent against theory's, and the forecasts against the truth."""
    columns = table.arrays
    figure, (growth, exponents, forecasts) = plt.subplots(1, 3, figsize=(7.4, 3.1))
    for optimizer, (name, colour, marker) in OPTIMIZERS.items():
        own = chosen(columns, optimizer=optimizer)
        _draw_growth(growth, chosen(own, part="growth"), name, colour)
        law, made = chosen(own, part="exponent"), chosen(own, part="forecast")
        exponents.plot(law["expected_exponent"], law["y"], marker, color=colour, markersize=4,
                       alpha=0.7, label=name)  # fmt: skip
        ends, times, at = (made[name].astype(float) for name in ("end", "y", "x"))
        forecasts.plot(at / ends, times / ends, marker, color=colour, markersize=2.5, alpha=0.5)
    growth.set(yscale="log", ylim=(None, 1e9), xlabel="update / update of the end")
    growth.set(ylabel="mean |Q|", title="Growth")
    growth.legend(fontsize=6.5, loc="upper left")
    low, high = exponents.get_xlim()
    exponents.plot([low, high], [low, high], color=GREY, linewidth=0.8, zorder=0)
    exponents.set(xlabel="e of theory", ylabel="e measured", title="Law: dQ/dt ∝ Q$^e$")
    exponents.legend(fontsize=7)
    forecasts.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    forecasts.text(0.3, 0.22, "now", fontsize=7, color=GREY)
    forecasts.axhline(1, color=INK, linewidth=0.8)
    forecasts.text(0.02, 0.92, "the end", fontsize=7, color=INK)
    forecasts.set(
        xlabel="made at / update of the end", ylabel="forecast / update of the end",
        title="Forecast", xlim=(0, 1), ylim=(0, 2),
    )  # fmt: skip
    return foot(
        figure, table,
        "Homogeneous ReLU networks of 2 to 4 layers, one fixed batch, no target network, "
        f"{table.num_seeds} seeds each.\nThe end: mean |Q| of 10⁶ under SGD, 10³ under Adam. "
        "Theory: e = 1 + (2L − 2)/L under SGD, 1 − 1/L under Adam.",
    )  # fmt: skip


def _draw_growth(axes: Axes, columns: dict[str, np.ndarray], name: str, colour: str) -> None:
    """Draw a line for each run, against its own end; a label for each depth."""
    for depth in np.unique(columns["depth"]):
        for seed in np.unique(columns["seed"]):
            line = chosen(columns, depth=depth, seed=seed)
            end = line["end"][0]
            if end is None:
                continue
            label = f"{name}, L = {depth}" if seed == columns["seed"].min() else None
            updates, q = line["x"].astype(float), line["y"].astype(float)
            shown = updates <= end
            axes.plot(
                updates[shown] / end, q[shown], color=colour, linewidth=0.9, label=label,
                linestyle=LINES[int(depth)],
            )  # fmt: skip
