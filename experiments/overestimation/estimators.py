"""Overestimation where the truth is known: noisy estimates, and fits through few points."""

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.tracing import rounded
from qdiverge.mdp import fitted_overestimation, overestimation_bound

TRIALS = 10_000
NUM_STATES = 49  # of a fit's row
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sin": np.sin,
    "bump": lambda s: 2 * np.exp(-(s**2)),
}


def noisy_estimates(num_actions: int, seed: int) -> dict[str, Any]:
    """Estimate m actions worth 0 with standard normal errors; return means over trials.

    ``single`` is max_a Q(a); ``double`` is Q'(argmax_a Q(a)), Q' another set of estimates;
    ``bound`` is √(C/(m − 1)), below the maximum of every set of errors whose sum is 0, and
    ``least_excess`` the smallest distance above it that was seen in such a set.
    """
    rng = np.random.default_rng(seed)
    q, other = rng.standard_normal((2, TRIALS, num_actions))
    bound = overestimation_bound(q, 0.0)
    excess = (q - q.mean(1, keepdims=True)).max(1) - bound
    double = other[np.arange(TRIALS), q.argmax(1)]
    return {
        "bound": rounded(float(bound.mean())),
        "single": rounded(float(q.max(1).mean())),
        "single_error": rounded(float(q.max(1).std() / np.sqrt(TRIALS))),
        "double": rounded(float(double.mean())),
        "double_error": rounded(float(double.std() / np.sqrt(TRIALS))),
        "least_excess": rounded(float(excess.min())),
    }


def fits(function: str, degree: int) -> dict[str, Any]:
    """Fit ten actions of one value each by polynomials through points without noise."""
    line = np.linspace(-6, 6, NUM_STATES)
    fitted = fitted_overestimation(FUNCTIONS[function], degree, states=line)
    series = {
        "states": line,
        "values": fitted.values,
        "single": fitted.single,
        "double": fitted.double,
    }
    return {
        "mean_single": rounded(float(fitted.single.mean())),
        "mean_double": rounded(float(fitted.double.mean())),
        **{name: [rounded(float(v)) for v in values] for name, values in series.items()},
    }
