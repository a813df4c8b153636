"""Linear function approximation on an exact MDP: Q = Φw over every state-action pair."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from qdiverge.errors import InvalidValueError
from qdiverge.mdp.array_checks import check_pairs_rho
from qdiverge.mdp.model import MDP
from qdiverge.tensor_checks import check_array
from qdiverge.thing_checks import check_instance


@dataclass(frozen=True, eq=False, init=False)
class LinearProblem:
    """An MDP with features, a sampling distribution and first weights.

    With a single action (a chain, see :func:`~qdiverge.mdp.induced_chain`) Q is V, T* is T^π, and
    Q-learning is TD.

    Args:
        mdp: S states, A actions.
        features: Φ ``[S·A, k]``, row s·A + a.
        rho: Sampling distribution over the pairs ``[S·A]``, zeros allowed; uniform by default.
        weights: w₀ ``[k]``; zeros by default.

    Raises:
        InvalidValueError: a shape is wrong, an entry not finite, or rho no distribution.

    >>> chain = MDP([[[0, 1]], [[0, 1]]], [[1], [0]], 0.5)
    >>> problem = LinearProblem(chain, [[2.0], [0.0]], rho=[1.0, 0.0])
    >>> problem.update(np.zeros(1), learning_rate=0.1)  # 0 + 0.1 · 2 · (1 − 0)
    array([0.2])
    """

    mdp: MDP
    features: np.ndarray  # Φ [S·A, k]
    rho: np.ndarray  # [S·A]
    weights: np.ndarray  # w₀ [k]

    def __init__(
        self,
        mdp: MDP,
        features: ArrayLike,
        rho: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        check_instance("mdp", mdp, MDP)
        Φ, N = check_array("features", features), mdp.rewards.size
        if Φ.ndim != 2 or Φ.shape[0] != N or Φ.shape[1] == 0:
            raise InvalidValueError(f"features must be [S·A, k] with S·A = {N}", got=list(Φ.shape))
        w = np.zeros(Φ.shape[1]) if weights is None else check_array("weights", weights)
        if w.shape != (Φ.shape[1],):
            raise InvalidValueError(f"weights must be [{Φ.shape[1]}]", got=list(w.shape))
        Φ.setflags(write=False)
        w.setflags(write=False)
        parts = {"mdp": mdp, "features": Φ, "rho": check_pairs_rho(rho, N), "weights": w}
        for part, value in parts.items():
            object.__setattr__(self, part, value)

    @property
    def kernel(self) -> np.ndarray:
        """Return K = ΦΦᵀ, the neural tangent kernel of a linear network, ``[N, N]``."""
        return self.features @ self.features.T

    def q(self, weights: np.ndarray) -> np.ndarray:
        """Return Φw, ``[..., S, A]`` for weights ``[..., k]``."""
        return (weights @ self.features.T).reshape(*weights.shape[:-1], *self.mdp.rewards.shape)

    def greedy_transitions(self, weights: np.ndarray) -> sparse.csr_array:
        """Return (1 − d)P_π between pairs, π greedy for Φw, sparse ``[N, N]``."""
        S, A = self.mdp.rewards.shape
        greedy = np.arange(S) * A + self.q(weights).argmax(1)
        choose = sparse.csr_array((np.ones(S), greedy, np.arange(S + 1)), shape=(S, S * A))
        return (self.mdp.continuing @ choose).tocsr()

    def successor_kernel(self, weights: np.ndarray) -> np.ndarray:
        """Return K' = γ(1 − d)P_π K at the greedy successors of Φw, ``[N, N]``."""
        return self.mdp.discount * (self.greedy_transitions(weights) @ self.kernel)

    def td_errors(self, weights: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
        """Return δ = T*Q(target weights) − Q, ``[..., N]``; the target is ``weights`` itself."""
        best = self.q(weights if target is None else target).max(-1)  # [..., S]
        following = (self.mdp.continuing @ best.reshape(-1, best.shape[-1]).T).T  # [B, N]
        backup = self.mdp.rewards.ravel() + self.mdp.discount * following
        return backup.reshape(*best.shape[:-1], -1) - weights @ self.features.T

    def update(
        self, weights: np.ndarray, learning_rate: float, target: np.ndarray | None = None
    ) -> np.ndarray:
        """Return w + αΦᵀDδ, the expected semi-gradient step of ½ Σ ρδ²."""
        return (
            weights + learning_rate * (self.rho * self.td_errors(weights, target)) @ self.features
        )


def td_solution(problem: LinearProblem) -> np.ndarray:
    """Return w with ΦᵀD(Φ − γPΦ)w = ΦᵀDR, the TD fixed point of a chain ``[k]``.

    Raises:
        InvalidValueError: the problem has more than one action, or the matrix is singular.
    """
    check_instance("problem", problem, LinearProblem)
    if problem.mdp.num_actions != 1:
        raise InvalidValueError(
            "td_solution needs a problem with one action",
            got=problem.mdp.num_actions,
            remedy="Fix the policy: induced_chain(mdp, policy).",
        )
    A = td_matrix(problem)
    if np.linalg.cond(A) > 1 / np.finfo(float).eps:
        raise InvalidValueError(
            "the TD matrix must be invertible",
            got=f"condition number {np.linalg.cond(A):.3g}",
            remedy="Drop dependent features, or change the sampling distribution.",
        )
    return np.linalg.solve(A, problem.features.T @ (problem.rho * problem.mdp.rewards[:, 0]))


def td_matrix(problem: LinearProblem) -> np.ndarray:
    """Return ΦᵀD(Φ − γ(1 − d)P_πΦ) at the greedy policy of the first weights, ``[k, k]``.

    The expected update is w − α(this)w + const; TD converges for a small step iff its eigenvalues
    have positive real parts.
    """
    check_instance("problem", problem, LinearProblem)
    Φ = problem.features
    following = problem.greedy_transitions(problem.weights) @ Φ
    return Φ.T @ (problem.rho[:, None] * (Φ - problem.mdp.discount * following))
