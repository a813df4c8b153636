"""No noise, and still too large: the maximum over flexible fits (van Hasselt et al. 2016)."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, chosen, columns_of
from qdiverge.mdp.maximisation_bias import fitted_overestimation

STATES = np.linspace(-6, 6, 97)
CASES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "sin s, degree 6": (np.sin, 6),
    "2 exp(−s²), degree 6": (lambda s: 2 * np.exp(-(s**2)), 6),
    "2 exp(−s²), degree 9": (lambda s: 2 * np.exp(-(s**2)), 9),
}


def compute() -> dict[str, list[Any]]:
    """Return values, ten fits and both errors for every case and state; a second."""
    rows = []
    for name, (function, degree) in CASES.items():
        result = fitted_overestimation(function, degree, states=STATES)
        for s, state in enumerate(STATES):
            fits = {f"fit_{a}": round(float(q[s]), 6) for a, q in enumerate(result.fits)}
            errors = {k: round(float(getattr(result, k)[s]), 6) for k in ("single", "double")}
            value = float(result.values[s])
            rows.append({"case": name, "state": float(state), "value": value} | fits | errors)
    return columns_of(rows)


def make(table: Table) -> Figure:
    """Draw the fits above, the error of their maximum and of the double form below."""
    columns = table.arrays
    figure, panels = plt.subplots(2, len(CASES), figsize=(7.2, 4.4), sharex=True, sharey="row")
    for (fits, errors), case in zip(panels.T, dict.fromkeys(table.columns["case"]), strict=True):
        own = chosen(columns, case=case)
        s = own["state"]
        every = np.stack([values for name, values in own.items() if name.startswith("fit_")])
        fits.plot(s, every.T, color=GREY, linewidth=0.5, alpha=0.7)
        fits.plot(s, every.max(0), color=ORANGE, linestyle="--", label="max$_a$ Q(s, a)")
        fits.plot(s, own["value"], color=INK, label="V*(s)")
        fits.set_title(case)
        for name, colour, line in (("single", ORANGE, "--"), ("double", BLUE, "-")):
            error = own[name]
            errors.plot(
                s,
                error,
                color=colour,
                linestyle=line,
                label=f"{name}: mean {error.mean():+.2f}".replace("-", "−"),
            )
        errors.axhline(0, color=INK, linewidth=0.6)
        errors.set_xlabel("state, s")
        errors.legend(fontsize=7, loc="lower center")
    panels[0, 0].set_ylim(-2.5, 4)
    panels[0, 0].set_ylabel("value")
    panels[0, 0].legend(fontsize=7, loc="upper center")
    panels[1, 0].set_ylim(-2.6, 4)
    panels[1, 0].set_ylabel("estimate − V*(s)")
    return foot(
        figure, table,
        "Grey: 10 actions, each fitted to V* at the integers −6 … 6 but two neighbours. Double: "
        "one fit chooses, another values. van Hasselt, Guez & Silver 2016, figure 2.",
    )  # fmt: skip
