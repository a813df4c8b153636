"""Overestimation: the maximum of noisy values is too large, and two estimators cure it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qdiverge.calling import own_errors
from qdiverge.checks import check_integer, check_nonnegative, check_number
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_array
from qdiverge.thing_checks import check_callable, check_seed


def overestimation_bound(estimates: np.ndarray, value: float) -> np.ndarray:
    """Return √(C/(m − 1)), which max_a Q(a) − V is at least, ``[...]``.

    For m ≥ 2 estimates of actions that are all worth V, with Σ_a (Q(a) − V) = 0 and
    (1/m) Σ_a (Q(a) − V)² = C. The bound is tight: it is attained where m − 1 estimates are equal.

    Source: van Hasselt, Guez & Silver 2016 (arXiv:1509.06461), Theorem 1.

    Args:
        estimates: Q, ``[..., m]``; centred here, so that their errors sum to 0.
        value: V.

    Raises:
        InvalidValueError: there is only one action.

    >>> overestimation_bound(np.array([1.0, -1.0]), 0.0)  # C = 1: the maximum is 1
    np.float64(1.0)
    """
    estimates, value = check_array("estimates", estimates), check_number("value", value)
    m = estimates.shape[-1] if estimates.ndim else 0
    if m < 2:
        raise InvalidValueError("overestimation needs at least 2 actions", got=m)
    errors = estimates - value
    errors = errors - errors.mean(-1, keepdims=True)
    return np.sqrt((errors**2).mean(-1) / (m - 1))


def uniform_overestimation(num_actions: int, half_width: float) -> float:
    """Return E max_a U_a = ε(m − 1)/(m + 1) for m independent errors uniform on [−ε, ε].

    Source: Thrun & Schwartz 1993; van Hasselt et al. 2016, Theorem 2.

    >>> uniform_overestimation(3, 1.0)
    0.5
    """
    num_actions = check_integer("num_actions", num_actions, 1)
    half_width = check_nonnegative("half_width", half_width)
    return half_width * (num_actions - 1) / (num_actions + 1)


@dataclass(frozen=True)
class EstimatorBias:
    """Mean error of two estimators of max_a Q(a), with standard errors."""

    single: float
    single_error: float
    double: float
    double_error: float


def estimator_bias(
    values: np.ndarray, num_samples: int, *, noise: float = 1.0, trials: int = 10_000, seed: int = 0
) -> EstimatorBias:
    """Measure max_a mean(samples) and its double form against max_a Q(a).

    The single estimator chooses and values the action with the same ``num_samples`` Gaussian
    samples each; the double one chooses with one half and values with the other, so it is never
    too large in the mean, and unbiased where all actions are worth the same.

    Source: van Hasselt 2010 (double estimator); van Hasselt et al. 2016.

    Args:
        values: true Q ``[m]``.
        num_samples: per action; even.
        noise: standard deviation of a sample.
        trials: repetitions.
        seed: of the samples.

    Raises:
        InvalidValueError: num_samples is odd or below 2.
    """
    values = check_array("values", values)
    if values.ndim != 1 or not len(values):
        raise InvalidValueError("values must be [m]", got=list(values.shape))
    num_samples = check_integer("num_samples", num_samples, 2)
    noise = check_nonnegative("noise", noise)
    trials = check_integer("trials", trials, 1)
    if num_samples % 2:
        raise InvalidValueError("num_samples must be even, 2 or more", got=num_samples)
    rng = np.random.default_rng(check_seed(seed))
    spread = noise / np.sqrt(num_samples / 2)
    halves = values + spread * rng.standard_normal((2, trials, len(values)))
    single = halves.mean(0).max(1) - values.max()
    chosen = halves[0].argmax(1)
    double = halves[1][np.arange(trials), chosen] - values.max()
    scale = np.sqrt(trials)
    return EstimatorBias(
        float(single.mean()), float(single.std() / scale),
        float(double.mean()), float(double.std() / scale),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class FittedOverestimation:
    """Overestimation of polynomial fits over a line of states (van Hasselt et al., fig. 2)."""

    states: np.ndarray  # [S]
    values: np.ndarray  # V*(s), the same for every action [S]
    fits: np.ndarray  # Q_a(s) [m, S]
    single: np.ndarray  # max_a Q_a(s) − V*(s) [S]
    double: np.ndarray  # Q'_{argmax Q}(s) − V*(s), Q' fitted on other samples [S]


def fitted_overestimation(
    function: Callable[[np.ndarray], np.ndarray],
    degree: int,
    *,
    num_actions: int = 10,
    states: np.ndarray | None = None,
) -> FittedOverestimation:
    """Fit one polynomial per action to exact values, and overestimate all the same.

    There is no noise: each action has been seen at the integers −6 … 6 but for two neighbours,
    others for each action, and all are worth V*(s). The fits differ where samples are missing, and
    the maximum picks the highest. The second estimator of the double form was seen at all integers
    but two others.

    Source: van Hasselt, Guez & Silver 2016, section 3 and figure 2 (their functions: sin with
    degree 6, 2exp(−s²) with degree 6 and 9). Chosen here, since not said there: action a misses
    the a-th and the next of the inner integers, its second fit those ⌊m/2⌋ further on.

    Raises:
        InvalidValueError: the degree needs more than the 11 points of an action, or the states are
            no ``[S]``.
        CallError, InvalidTypeError: the function fails, or gives no number for each state.
    """
    degree = check_integer("degree", degree, 0)
    num_actions = check_integer("num_actions", num_actions, 1)
    check_callable("function", function, "a function of states")
    if degree > 10:
        raise InvalidValueError("degree must lie in 0 … 10: an action has 11 points", got=degree)
    sampled = np.arange(-6, 7).astype(float)
    line = np.linspace(-6, 6, 241) if states is None else check_array("states", states)
    if line.ndim != 1 or not len(line):
        raise InvalidValueError("states must be [S]", got=list(line.shape))

    def fit(action: int) -> np.ndarray:
        first = 1 + action % 10  # the two ends always count
        fitted_to = np.delete(sampled, [first, first + 1])
        return np.polynomial.Polynomial.fit(fitted_to, _values(function, fitted_to), degree)(line)

    fits = np.stack([fit(a) for a in range(num_actions)])
    others = np.stack([fit(a + num_actions // 2) for a in range(num_actions)])
    values = _values(function, line)
    doubled = np.take_along_axis(others, fits.argmax(0)[None], axis=0)[0]
    return FittedOverestimation(line, values, fits, fits.max(0) - values, doubled - values)


def _values(function: Callable[[np.ndarray], np.ndarray], states: np.ndarray) -> np.ndarray:
    with own_errors("function"):
        returned = function(states)
    values = check_array("what function returns", returned)
    if values.shape != states.shape:
        raise InvalidValueError(
            f"function must return [{len(states)}], a value for each state", got=list(values.shape)
        )
    return values
