"""The study's cells, for ``python -m experiments sweep target_period``."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.target_period.problems import KNOWN_PROBLEMS, Case, make
from experiments.tracing import rounded
from qdiverge.theory import StabilityReport, check_stability

PERIODS = {
    "known": (1, 3, 10, 30, 100, 300),
    "random": (1, 3, 10, 30, 100, 300),
    "network": (1, 10, 100),
}
LEAST, MANY = {"known": 4_000, "random": 4_000, "network": 1_500}, 20  # updates; periods


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the known problems, random ones and small networks; ten times as many in full."""
    count = 10 if is_full else 1
    return [
        *({"kind": "known", "name": name, "seed": 0} for name in KNOWN_PROBLEMS),
        *({"kind": "random", "name": "garnet", "seed": s} for s in range(20 * count)),
        *(
            {"kind": "network", "name": activation, "seed": s}
            for activation in ("relu", "tanh")
            for s in range(6 * count)
        ),
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return, for each C, what the kernels at the start foresee, and what training does."""
    case = make(**config)
    rows = [outcome(case, period, LEAST[config["kind"]]) for period in PERIODS[config["kind"]]]
    target = foresee(case, 1).target_network
    return {
        "learning_rate": rounded(case.learning_rate),
        "td_radius": rounded(target.td_radius),
        "fitted_radius": None if target.fitted_radius is None else rounded(target.fitted_radius),
        "first_stable_period": target.first_stable_period,
        "advice": target.advice,
        "periods": {name: [row[name] for row in rows] for name in rows[0]},
    }


def foresee(case: Case, period: int) -> StabilityReport:
    """Return the verdict on the kernels of the start."""
    return check_stability(
        case.K, case.successors, rho=case.rho, learning_rate=case.learning_rate,
        target_period=period,
    )  # fmt: skip


def outcome(case: Case, period: int, least: int) -> dict[str, Any]:
    """Return ρ(B_C)^(1/C) − 1, foreseen, and the growth of Q's changes, measured; per update."""
    radius = foresee(case, period).spectral_radius
    periods = max(MANY, -(-least // period))
    with np.errstate(over="ignore", invalid="ignore"):
        q = case.train(periods * period, period)
    growth = growth_rate(q) / period
    return {
        "period": period,
        "foreseen_rate": rounded(float(np.log(radius)) / period),
        "measured_rate": rounded(growth) if np.isfinite(growth) else None,
        "foreseen_stable": bool(radius < 1),
        "trained_stable": bool(growth < 0),
        "max_abs_q": rounded(float(np.abs(q[-1]).max())) if np.isfinite(q[-1]).all() else None,
    }


def growth_rate(q: np.ndarray) -> float:
    """Return the mean growth of ln ‖Q_{m+1} − Q_m‖ per period over the second half; ∞ on overflow.

    −∞ where Q has come to rest to within rounding.

    >>> round(growth_rate(2.0 ** np.arange(40)[:, None]), 6)  # ln 2
    0.693147
    """
    change = np.abs(np.diff(q, axis=0)).max(1)
    if not np.isfinite(change).all() or change[-1] > 1e100:
        return float("inf")
    moving = np.flatnonzero(change > 1e-11 * np.abs(q).max())
    if not len(moving) or moving[-1] < len(change) - 1:
        return -float("inf") if not len(moving) else _slope(change[: moving[-1] + 1])
    return _slope(change)


def _slope(change: np.ndarray) -> float:
    late = np.log(change[len(change) // 2 :])
    return float(np.polyfit(np.arange(len(late)), late, 1)[0]) if len(late) > 1 else -float("inf")
