"""The Bellman operators: T* for Q, their soft versions, and the policies that attain them."""

import numpy as np

from qdiverge.checks import check_nonnegative
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.array_checks import as_q
from qdiverge.mdp.model import MDP
from qdiverge.thing_checks import check_instance


def q_from_values(mdp: MDP, values: np.ndarray) -> np.ndarray:
    """Return Q(s, a) = R(s, a) + γ Σ_{s'} (1 − d(s')) P(s'|s, a) V(s'), ``[S, A]``.

    Args:
        mdp: the problem.
        values: V ``[S]``; those of terminal states are not read.
    """
    check_instance("mdp", mdp, MDP)
    values = as_q("values", values)
    if values.shape != (mdp.num_states,):
        raise InvalidValueError(f"values must be [{mdp.num_states}]", got=list(values.shape))
    return mdp.rewards + mdp.discount * (mdp.continuing @ values).reshape(mdp.rewards.shape)


def optimal_backup(mdp: MDP, q: np.ndarray, temperature: float = 0.0) -> np.ndarray:
    """Return T*Q = R + γP max_a Q, ``[S, A]``; the soft backup at a temperature above 0.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> optimal_backup(mdp, np.array([[2.0, 0.0], [9.0, 9.0]]))  # 1 + ½·2; state 1 is terminal
    array([[2., 0.],
           [0., 0.]])
    """
    return q_from_values(mdp, soft_maximum(q, temperature))


def soft_maximum(q: np.ndarray, temperature: float = 0.0) -> np.ndarray:
    """Return τ log Σ_a exp(Q_a/τ) over the last axis; max_a Q_a at τ = 0.

    Source: Ziebart et al. 2008; Haarnoja et al. 2017 (arXiv:1702.08165), eq. 3.
    """
    q, temperature = as_q("q", q), check_temperature(temperature)
    best = q.max(-1)
    if temperature == 0:
        return best
    return best + temperature * np.log(np.exp((q - best[..., None]) / temperature).sum(-1))


def soft_policy(q: np.ndarray, temperature: float = 0.0) -> np.ndarray:
    """Return π(a|s) ∝ exp(Q(s, a)/τ), the same shape as ``q``; one-hot on the argmax at τ = 0.

    >>> soft_policy(np.array([[0.0, np.log(3.0)]]), 1.0)
    array([[0.25, 0.75]])
    """
    q, temperature = as_q("q", q), check_temperature(temperature)
    if temperature == 0:
        return np.eye(q.shape[-1])[q.argmax(-1)]
    weights = np.exp((q - q.max(-1, keepdims=True)) / temperature)
    return weights / weights.sum(-1, keepdims=True)


def check_temperature(temperature: float) -> float:
    """Return the temperature when it is finite and not negative.

    Raises:
        InvalidValueError: it is not.
    """
    return check_nonnegative("temperature", temperature)
