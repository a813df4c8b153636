"""Baird's star under a hard target network: the growth per update against the period."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, chosen, columns_of
from qdiverge.mdp.problems import baird
from qdiverge.theory import check_stability

LEARNING_RATE = 0.01
DISCOUNTS = (0.85, 0.95, 0.99)
PERIODS = sorted({round(c) for c in np.geomspace(1, 3000, 49)} | {76, 77, 1331, 1332})


def compute() -> dict[str, list[Any]]:
    """Return spectral radius and certificate of B_C for every γ and C; seconds."""
    rows = []
    for discount in DISCOUNTS:
        star = baird(discount)
        K, rho = torch.tensor(star.kernel), torch.tensor(star.rho)
        successors = torch.tensor(star.successor_kernel(star.weights))
        for period in PERIODS:
            report = check_stability(
                K, successors, rho=rho, learning_rate=LEARNING_RATE, target_period=period
            )
            rows.append(
                {
                    "discount": discount,
                    "period": period,
                    "radius_per_period": report.spectral_radius,
                    "sup_norm_modulus": report.certificate.bound.modulus,
                }
            )
    return columns_of(rows)


def make(table: Table) -> Figure:
    """Draw log₁₀ growth per update against the period, one line for each γ."""
    columns = table.arrays
    figure, axes = plt.subplots()
    colours = dict(zip(DISCOUNTS, (GREY, BLUE, ORANGE), strict=True))
    for discount, colour in colours.items():
        own = chosen(columns, discount=discount)
        period, radius = own["period"], own["radius_per_period"]
        growth = np.log(radius) / period  # e-folds per update
        axes.plot(period, growth, color=colour)
        axes.annotate(
            f"γ = {discount}", (period[0], growth[0]), (4, 4), color=colour,
            textcoords="offset points",
        )  # fmt: skip
        certified = own["sup_norm_modulus"] < 1
        if certified.any():
            axes.plot(period[certified], growth[certified], color=colour, linewidth=3.5)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.axvline(77, color=GREY, linewidth=0.8, linestyle=":")
    axes.text(82, axes.get_ylim()[1] * 0.8, "C = 77: γ = 0.99\nbecomes stable", color=GREY)
    axes.set(
        xscale="log",
        xlabel="target period C, updates",
        ylabel="ln ρ($B_C$) / C, e-folds per update",
        title="A long enough target period cures Baird’s star",
    )
    return foot(figure, table, f"α = {LEARNING_RATE}. Thick: certified in the sup norm.")
