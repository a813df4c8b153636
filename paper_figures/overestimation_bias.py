"""The maximum of noisy estimates is too large, more so of more actions; a second one cures it."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table, columns_of
from qdiverge.mdp.maximisation_bias import (
    estimator_bias,
    overestimation_bound,
    uniform_overestimation,
)

NUM_ACTIONS = [2**k for k in range(1, 11)]  # 2 … 1024, as in the paper's figure 1
TRIALS = 10_000


def compute() -> dict[str, list[Any]]:
    """Return the bias for each number of actions, and what two theorems say of it; seconds."""
    return columns_of(_row(m) for m in NUM_ACTIONS)


def _row(m: int) -> dict[str, float | int]:
    """Draw Gaussian errors for two estimators, and errors uniform on [−1, 1] for one."""
    rng = np.random.default_rng(m)
    bias = estimator_bias(np.zeros(m), 2, trials=TRIALS, seed=m)
    drawn = rng.standard_normal((TRIALS, m)) / np.sqrt(2)  # as the single estimator's
    uniform = rng.uniform(-1, 1, (TRIALS, m)).max(1)
    return {
        "num_actions": m,
        "single": bias.single,
        "single_error": bias.single_error,
        "double": bias.double,
        "double_error": bias.double_error,
        "bound": float(overestimation_bound(drawn, 0.0).mean()),
        "uniform": float(uniform.mean()),
        "uniform_error": float(uniform.std() / np.sqrt(TRIALS)),
        "uniform_theory": uniform_overestimation(m, 1.0),
    }


def make(table: Table) -> Figure:
    """Draw Gaussian errors on the left, uniform ones on the right."""
    columns = table.arrays
    m = columns["num_actions"]
    figure, (gaussian, uniform) = plt.subplots(1, 2, figsize=(6.6, 3.1))
    for name, colour, line in (("single", ORANGE, "-"), ("double", BLUE, "--")):
        gaussian.errorbar(
            m,
            columns[name],
            2 * columns[f"{name}_error"],
            color=colour,
            fmt=f"o{line}",
            markersize=3,
        )
    gaussian.plot(m, columns["bound"], color=INK, linewidth=0.9, linestyle=":")
    gaussian.text(60, columns["single"][5] - 0.1, "single", color=ORANGE, va="top")
    gaussian.text(256, -0.14, "double", color=BLUE, va="top", ha="center")
    gaussian.text(14, columns["bound"][3] + 0.06, "bound of theorem 1", color=INK, fontsize=7)
    gaussian.set_ylim(bottom=-0.4)
    gaussian.axhline(0, color=INK, linewidth=0.6)
    gaussian.set(ylabel="mean of max$_a$ Q(a) − V*", title="Gaussian errors")
    uniform.plot(m, columns["uniform_theory"], color=INK, linewidth=0.9, label="(m − 1)/(m + 1)")
    uniform.errorbar(
        m, columns["uniform"], 2 * columns["uniform_error"], color=ORANGE, fmt="o", markersize=3.5,
        label="single, measured",
    )  # fmt: skip
    uniform.set(title="Errors uniform on [−1, 1]", ylim=(0, 1.05))
    uniform.legend(fontsize=7, loc="lower right")
    for axes in (gaussian, uniform):
        axes.set_xscale("log", base=2)
        axes.set_xticks(m[::3], [str(number) for number in m[::3]])
        axes.set_xlabel("actions, m, all worth the same")
    return foot(
        figure, table,
        f"Both estimators see 2 samples an action of variance 1; {TRIALS:,} trials; bars: 2 "
        "standard errors. van Hasselt, Guez & Silver 2016, figure 1, theorems 1 and 2.",
    )  # fmt: skip
