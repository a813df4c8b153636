"""The Q-learning update as an operator on tables: tabular, sampled, and with a kernel."""

from dataclasses import dataclass

import numpy as np
import torch

from qdiverge.checks import check_integer, check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.array_checks import as_q, check_pairs_rho
from qdiverge.mdp.bellman import optimal_backup
from qdiverge.mdp.model import MDP
from qdiverge.tensor_checks import check_array
from qdiverge.theory import sup_norm_modulus
from qdiverge.thing_checks import check_instance


@dataclass(frozen=True, eq=False)
class UpdateOperator:
    """U Q = Q + G(T*Q − Q) with its exact modulus: ‖U Q₁ − U Q₂‖∞ ≤ β‖Q₁ − Q₂‖∞, attained.

    Source: Achiam, Knight & Abbeel 2019 (arXiv:1903.08894), section 3, equations of U₁, U₂, U₃.
    """

    mdp: MDP
    step: np.ndarray  # G: [N] where diagonal, else [N, N]; N = S·A
    row_modulus: np.ndarray  # β_i [N]
    name: str

    @property
    def modulus(self) -> float:
        """Return β = max_i β_i; below 1 the operator contracts, and Q* is its only fixed point."""
        return float(self.row_modulus.max())

    def __call__(self, q: np.ndarray) -> np.ndarray:
        """Return U Q, ``[S, A]``; NaN may be in Q."""
        q = self._table("q", q)
        δ = (optimal_backup(self.mdp, q) - q).ravel()
        return q + (self.step * δ if self.step.ndim == 1 else self.step @ δ).reshape(q.shape)

    def contraction(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return ‖U Q₁ − U Q₂‖∞ / ‖Q₁ − Q₂‖∞, which never exceeds the modulus."""
        one, other = self._table("one", one), self._table("other", other)
        return float(np.abs(self(one) - self(other)).max() / np.abs(one - other).max())

    def _table(self, name: str, value: np.ndarray) -> np.ndarray:
        if (q := as_q(name, value)).shape != self.mdp.rewards.shape:
            raise InvalidValueError(
                f"{name} must be [S, A] = {list(self.mdp.rewards.shape)}", got=list(q.shape)
            )
        return q


def tabular_operator(mdp: MDP, learning_rate: float) -> UpdateOperator:
    """Return U₁ Q = Q + α(T*Q − Q), whose modulus is 1 − α(1 − γ) for α ≤ 1.

    >>> chain = MDP([[[1.0]]], [1.0], 0.5)
    >>> tabular_operator(chain, 0.5).modulus
    0.75
    """
    check_instance("mdp", mdp, MDP)
    step = np.full(mdp.rewards.size, check_positive("learning_rate", learning_rate))
    return UpdateOperator(mdp, step, _diagonal_modulus(mdp, step), "U1: tabular")


def sampled_operator(
    mdp: MDP, learning_rate: float, rho: np.ndarray | None = None
) -> UpdateOperator:
    """Return U₂ Q = Q + αD(T*Q − Q), whose modulus is max_i 1 − (1 − γ)αρ_i for αρ ≤ 1.

    Args:
        mdp: the problem.
        learning_rate: α.
        rho: sampling distribution over the pairs ``[S·A]``; uniform by default.
    """
    check_instance("mdp", mdp, MDP)
    weights = check_pairs_rho(rho, mdp.rewards.size)
    step = check_positive("learning_rate", learning_rate) * weights
    return UpdateOperator(mdp, step, _diagonal_modulus(mdp, step), "U2: sampled")


def kernel_operator(
    mdp: MDP, kernel: np.ndarray, learning_rate: float, rho: np.ndarray | None = None
) -> UpdateOperator:
    """Return U₃ Q = Q + αKD(T*Q − Q), the update of a network with a frozen kernel.

    Args:
        mdp: the problem.
        kernel: K ``[S·A, S·A]`` over every pair.
        learning_rate: α of ½ Σ ρδ².
        rho: sampling distribution over the pairs ``[S·A]``; uniform by default.

    Raises:
        InvalidValueError: K is not symmetric or not over every pair, rho is no distribution.
    """
    check_instance("mdp", mdp, MDP)
    K, N = check_array("kernel", kernel), mdp.rewards.size
    if K.shape != (N, N):
        raise InvalidValueError(f"kernel must be [S·A, S·A] = [{N}, {N}]", got=list(K.shape))
    weights = check_pairs_rho(rho, N)
    bound = sup_norm_modulus(
        torch.from_numpy(K),
        torch.from_numpy(mdp.continuing.toarray()),
        torch.from_numpy(weights.copy()),
        mdp.discount,
        learning_rate,
    )
    step = check_positive("learning_rate", learning_rate) * K * weights
    return UpdateOperator(mdp, step, bound.row_modulus.numpy(), "U3: kernel")


def worst_pair(operator: UpdateOperator) -> tuple[np.ndarray, np.ndarray]:
    """Return Q₁ and Q₂ ``[S, A]`` whose distance U multiplies by exactly its modulus.

    Both are greedy for the policy that maximises row i of |I − G + γG(1 − d)P_π|, and they differ
    by the signs of that row.

    Raises:
        InvalidTypeError: that is no operator.
    """
    check_instance("operator", operator, UpdateOperator)
    mdp, i = operator.mdp, int(operator.row_modulus.argmax())
    N, (S, A) = mdp.rewards.size, mdp.rewards.shape
    row = np.eye(N)[i] * operator.step[i] if operator.step.ndim == 1 else operator.step[i]
    b = (np.eye(N)[i] - row).reshape(S, A)
    c = mdp.discount * (mdp.continuing.T @ row)[:, None]
    policy = np.eye(A)[(np.abs(b + c) - np.abs(b)).argmax(1)]
    signs = np.where(b + c * policy >= 0, 1.0, -1.0)
    return 3 * policy, 3 * policy + signs


@dataclass(frozen=True, eq=False)
class ContractionRun:
    """Distances to Q* along U applied again and again, beside the certified modulus."""

    distances: np.ndarray  # ‖Q_t − Q*‖∞ [T + 1]
    factors: np.ndarray  # measured contraction of each update [T]
    modulus: float  # certified: every factor is at most this


def measure_contraction(
    operator: UpdateOperator, q: np.ndarray, q_star: np.ndarray, num_updates: int
) -> ContractionRun:
    """Apply U ``num_updates`` times to ``q`` and measure each update's contraction towards Q*.

    A distance at the rounding level gives factors of no meaning; they are reported as they are.

    Raises:
        InvalidTypeError, InvalidValueError: that is no operator, no number, no Q ``[S, A]``.
    """
    check_instance("operator", operator, UpdateOperator)
    num_updates = check_integer("num_updates", num_updates, 0)
    q, q_star = operator._table("q", q), operator._table("q_star", q_star)
    distances = np.empty(num_updates + 1)
    for t in range(num_updates + 1):
        distances[t] = np.abs(q - q_star).max()
        q = operator(q)
    return ContractionRun(distances, distances[1:] / distances[:-1], operator.modulus)


def _diagonal_modulus(mdp: MDP, step: np.ndarray) -> np.ndarray:
    """Return β_i = |1 − x| + γx Σ_s' P(s'|i), x = G_ii, [N].

    With one action and x > 1 the pair's own return p counts as |1 − x + γxp| − |1 − x| instead.
    """
    x, arrives = step, np.asarray(mdp.continuing.sum(axis=1)).ravel()
    β = np.abs(1 - x) + mdp.discount * x * arrives
    if mdp.num_actions == 1:
        own = mdp.discount * x * mdp.continuing.diagonal()
        β += np.abs(1 - x + own) - np.abs(1 - x) - own
    return β
