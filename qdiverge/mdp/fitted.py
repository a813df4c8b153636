"""Fitted iteration: back up, then fit, by least squares or by an averager."""

import numpy as np

from qdiverge.checks import check_integer
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.array_checks import ROW_TOLERANCE, check_initial
from qdiverge.mdp.bellman import q_from_values
from qdiverge.mdp.linear_approximation import LinearProblem
from qdiverge.mdp.model import MDP
from qdiverge.tensor_checks import check_array
from qdiverge.thing_checks import check_instance


def fitted_q_iteration(problem: LinearProblem, num_iterations: int) -> np.ndarray:
    """Return the weights of each iteration, ``[T + 1, k]``.

    w ← argmin_u Σ ρ (φᵀu − T*Q_w)² = (ΦᵀDΦ)⁺ΦᵀD T*Q_w, of least norm: the limit of a hard target
    (:func:`linear_q_learning`) as its period grows.

    Source: Ernst, Geurts & Wehenkel 2005.

    Raises:
        InvalidValueError: num_iterations is below 1.
    """
    check_instance("problem", problem, LinearProblem)
    num_iterations = check_integer("num_iterations", num_iterations, 1)
    fit = least_squares_fit(problem)
    weights = np.empty((num_iterations + 1, len(problem.weights)))
    weights[0] = problem.weights
    for t in range(num_iterations):
        backup = problem.td_errors(weights[t]) + problem.features @ weights[t]
        weights[t + 1] = fit @ backup
    return weights


def least_squares_fit(problem: LinearProblem) -> np.ndarray:
    """Return (ΦᵀDΦ)⁺ΦᵀD, which maps values to the weights that fit them best, ``[k, N]``."""
    root = np.sqrt(problem.rho)
    return np.linalg.pinv(root[:, None] * problem.features) * root


def fitted_value_iteration(
    mdp: MDP, fit: np.ndarray, num_iterations: int, initial: np.ndarray | None = None
) -> np.ndarray:
    """Return V of each iteration of V ← F max_a (R + γPV), ``[T + 1, S]``.

    Args:
        mdp: the problem.
        fit: F ``[S, S]``, from backed-up values to fitted ones. Where it is an averager (rows
            non-negative, sums at most 1) the iteration is a γ-contraction in the sup norm
            (Gordon 1995, Theorem 3.2); least squares need not be.
        num_iterations: T.
        initial: V₀ ``[S]``; 0 by default.

    Raises:
        InvalidValueError: fit is not [S, S].
    """
    check_instance("mdp", mdp, MDP)
    F, S = check_array("fit", fit), mdp.num_states
    num_iterations = check_integer("num_iterations", num_iterations, 1)
    if F.shape != (S, S):
        raise InvalidValueError(f"fit must be [S, S] with S = {S}", got=list(F.shape))
    values = np.empty((num_iterations + 1, S))
    values[0] = check_initial(initial, mdp.terminal, (S,))
    for t in range(num_iterations):
        values[t + 1] = F @ q_from_values(mdp, values[t]).max(1)
    return values


def is_averager(fit: np.ndarray) -> bool:
    """Return whether the rows of ``fit`` are non-negative and sum to at most 1 (Gordon 1995).

    >>> is_averager(np.array([[0.5, 0.5], [0.0, 0.0]])), is_averager(np.array([[1.2]]))
    (True, False)
    """
    F = check_array("fit", fit)
    if F.ndim != 2 or F.shape[0] != F.shape[1]:
        raise InvalidValueError("fit must be [S, S]", got=list(F.shape))
    return bool((F >= 0).all() and (F.sum(1) <= 1 + ROW_TOLERANCE).all())
