"""What each verdict can see, on two states with features 1 and x that both lead to the second."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from paper_figures.style import BLUE, INK, ORANGE, PALE_BLUE, PALE_ORANGE, PAPER, foot
from paper_figures.tables import Table, columns_of
from qdiverge.theory import check_contraction, check_stability

OWN = 0.1  # how much of each state the other does not share: K = φφᵀ + OWN · I
LEARNING_RATE = 0.05
FEATURES = np.linspace(0.0, 3.0, 91)  # x
DISCOUNTS = np.linspace(0.0, 0.99, 45)  # γ


def compute() -> dict[str, list[Any]]:
    """Return every verdict over the grid of x and γ; about a minute."""
    rows = [_verdicts(float(x), float(γ)) for γ in DISCOUNTS for x in FEATURES]
    return columns_of(rows)


def kernels(x: float, discount: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return K = φφᵀ + OWN · I and K' = γ P K with both states leading to the second."""
    φ = torch.tensor([1.0, x], dtype=torch.float64)
    K = torch.outer(φ, φ) + OWN * torch.eye(2, dtype=torch.float64)
    return K, discount * K[[1, 1]]


def _verdicts(x: float, discount: float) -> dict[str, Any]:
    K, successors = kernels(x, discount)
    row = check_contraction(K, discount=discount, learning_rate=LEARNING_RATE)
    stability = check_stability(K, successors, learning_rate=LEARNING_RATE)
    return {
        "x": round(x, 6),
        "discount": round(discount, 6),
        "row_margin": round(float(row.margin.min()), 9),  # the row condition holds where ≥ 0
        "td_error_modulus": round(stability.certified_modulus, 9),
        "spectral_radius": round(stability.spectral_radius, 9),
    }


def make(table: Table) -> Figure:
    """Draw the map: diverging, stable, certified, and where the row condition holds."""
    columns = table.arrays
    x, γ = np.unique(columns["x"]), np.unique(columns["discount"])
    shape = (len(γ), len(x))
    radius = columns["spectral_radius"].reshape(shape)
    modulus = columns["td_error_modulus"].reshape(shape)
    row = columns["row_margin"].reshape(shape)
    figure, axes = plt.subplots()
    axes.contourf(x, γ, radius - 1, levels=[-9, 0, 9], colors=[PAPER, PALE_ORANGE])
    axes.contourf(x, γ, modulus - 1, levels=[-9, 0], colors=[PALE_BLUE])
    axes.contourf(x, γ, row, levels=[0, 9], colors=[BLUE])
    axes.contour(x, γ, radius - 1, levels=[0], colors=[ORANGE], linewidths=1.4)
    axes.contour(x, γ, modulus - 1, levels=[0], colors=[BLUE], linewidths=1.0)
    axes.text(2.35, 0.86, "diverges", color=ORANGE, ha="center")
    axes.text(0.98, 0.30, "certified by the\nTD-error certificate", color=BLUE, ha="center")
    axes.annotate(
        "row condition", (0.02, 0.42), (0.24, 0.66), color=INK, arrowprops={"arrowstyle": "-"}
    )
    axes.set(
        xlabel="feature of the second state, x",
        ylabel="discount γ",
        title="Two states, both leading to the second: who sees what",
        ylim=(0, 0.99),
    )
    return foot(
        figure,
        table,
        f"K = φφᵀ + {OWN} I, φ = (1, x), uniform ρ, α = {LEARNING_RATE}. White: stable, not "
        "certified.",
    )
