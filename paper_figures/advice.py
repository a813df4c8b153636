"""Does a target network help? What the kernels at the start advise, against training."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, along, from_study

KINDS = {"known": ("known linear problems", "*", 8), "random": ("random linear problems", "o", 4),
         "network": ("small networks", "s", 4)}  # fmt: skip
NAMES = {
    (False, True): "a long period\ncures it",
    (False, False): "no period\ncures it",
    (True, False): "long periods\ndestabilise",
    (True, True): "fine at\nboth ends",
}  # whether ρ(B₁) < 1 and ρ(Γ) < 1
LIMIT = 1e-6  # rates within ± this are drawn on a linear scale


def compute() -> Table:
    """Return a row for each problem and period of experiments/target_period; runs nothing."""
    settings = ("kind", "name", "seed", "td_radius", "fitted_radius")
    return from_study(
        "target_period", lambda r: along(r | r["periods"], settings, tuple(r["periods"]))
    )


def make(table: Table) -> Figure:
    """Draw the quadrants of the advice with what training did at either end, and all rates."""
    columns = table.arrays
    figure, (shortest, longest, rates) = plt.subplots(1, 3, figsize=(7.6, 3.3))
    for axes, pick, title in (
        (shortest, np.min, "Trained with C = 1"),
        (longest, np.max, "With the longest C"),
    ):
        _draw_quadrants(axes, columns, pick)
        axes.set_title(title, fontsize=9)
    longest.sharey(shortest)
    shortest.set_ylabel("ρ(Γ) − 1: fitted Q, C → ∞")
    right = columns["foreseen_stable"] == columns["trained_stable"]
    foreseen = columns["foreseen_rate"].astype(float)
    measured = np.array(
        [np.nan if rate is None else rate for rate in table.columns["measured_rate"]]
    )
    for kind, (name, marker, size) in KINDS.items():
        own = (columns["kind"] == kind) & np.isfinite(measured)
        rates.plot(
            foreseen[own], measured[own], marker, color=INK, markersize=size * 0.7, alpha=0.5,
            markeredgewidth=0, label=name,
        )  # fmt: skip
    rates.set_xscale("symlog", linthresh=LIMIT)
    rates.set_yscale("symlog", linthresh=LIMIT)
    rates.axhline(0, color=GREY, linewidth=0.7)
    rates.axvline(0, color=GREY, linewidth=0.7)
    ticks = [-1e-1, -1e-4, 0, 1e-4, 1e-1]
    rates.set_xticks(ticks)
    rates.set_yticks(ticks)
    rates.set(xlabel="growth foreseen, ln ρ(B$_C$)/C", ylabel="growth measured")
    rates.set_title(f"Right on {right.sum()} of {len(right)}", fontsize=9)
    rates.tick_params(labelsize=7)
    rates.legend(fontsize=5.5, loc=(0.0, 0.52), handletextpad=0.2)
    return foot(
        figure, table,
        "A mark a problem. Filled blue: Q came to rest; hollow orange: it grew. Right: per "
        "update, a mark for each problem and period C; overflows are counted, not drawn.",
    )  # fmt: skip


def _draw_quadrants(axes: Axes, columns: dict[str, np.ndarray], pick: Any) -> None:
    """Draw the two radii of each problem, marked by what training did at one end of its periods."""
    for kind, (_, marker, size) in KINDS.items():
        of_kind = columns["kind"] == kind
        end = of_kind & (columns["period"] == pick(columns["period"][of_kind]))
        has_radius = end & np.array([radius is not None for radius in columns["fitted_radius"]])
        for is_stable, colour, face in ((True, BLUE, BLUE), (False, ORANGE, "none")):
            own = has_radius & (columns["trained_stable"] == is_stable)
            axes.plot(
                columns["td_radius"][own].astype(float) - 1,
                columns["fitted_radius"][own].astype(float) - 1, marker, color=colour,
                markerfacecolor=face, markersize=size, alpha=0.85,
            )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.7)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_xscale("symlog", linthresh=1e-3)
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.set_xticks([-0.1, -0.001, 0, 0.001, 0.1], ["−0.1", "−10⁻³", "0", "10⁻³", "0.1"])
    axes.set_yticks([-0.1, -0.01, 0, 0.01, 0.1, 1], ["−0.1", "−0.01", "0", "0.01", "0.1", "1"])
    axes.set_xlim(-0.6, 0.6)
    axes.set_ylim(-1.5, 5)
    axes.tick_params(labelsize=7)
    axes.minorticks_off()
    axes.set_xlabel("ρ(B₁) − 1: no target network")
    for (is_td_stable, is_fitted_stable), name in NAMES.items():
        axes.text(
            0.02 if is_td_stable else 0.98, 0.02 if is_fitted_stable else 0.98, name, fontsize=6,
            color=GREY, transform=axes.transAxes, ha="left" if is_td_stable else "right",
            va="bottom" if is_fitted_stable else "top",
        )  # fmt: skip
