"""The exact sup-norm modulus of the Q-learning update on a closed set of state-action pairs."""

import torch
from torch import Tensor

from qdiverge.checks import check_discount, check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_finite
from qdiverge.theory.matrix_checks import check_kernel, check_rho, on_cpu
from qdiverge.theory.weighted_norm import WeightedModulus, best_weights


def sup_norm_modulus(
    K: Tensor,
    transitions: Tensor,
    rho: Tensor | None = None,
    discount: float = 0.99,
    learning_rate: float = 1e-4,
) -> WeightedModulus:
    """Return the Lipschitz constant of U Q = Q + αKD(T*Q − Q) where T*Q stays in the index set.

    With b = e_i − αH_i·, H = KD, and c_{s'} = αγ Σ_j H_ij P(s'|j),

        β_i = Σ_{s'} [ Σ_a |b_{s'a}| + max_{a'} (|b_{s'a'} + c_{s'}| − |b_{s'a'}|) ],

    the maximum over all policies, which decouples over s'. In a norm with weights v each absolute
    value carries v_{s'a}, and the sum is divided by v_i; every v > 0 is sound. (The Perron vector
    of |I − αH| + αγ|H| is not: T* is no γ-contraction in a weighted norm.)

    Args:
        K: kernel ``[S·A, S·A]`` over every pair, pair (s, a) at index s·A + a.
        transitions: P(s'|s, a), ``[S·A, S]`` or ``[S, A, S]``; rows sum to at most 1 (the rest is
            the probability of termination).
        rho: sampling distribution ``[S·A]``; uniform by default.
        discount: γ.
        learning_rate: α.

    Returns:
        A WeightedModulus, float64 on the CPU; below 1 the update contracts under every policy.

    Raises:
        InvalidTypeError: a tensor is not floating-point.
        InvalidValueError: bad K, rho, γ or α; P of a wrong shape, negative, or rows above 1.

    >>> P = torch.eye(2)  # each state leads to itself
    >>> sup_norm_modulus(torch.eye(2), P, discount=0.5, learning_rate=1.0).modulus  # 1 − ½·½
    0.75
    """
    K, P = check_kernel(K), _checked_transitions(transitions, K.shape[0])
    γ, α = check_discount(discount), check_positive("learning_rate", learning_rate)
    H = on_cpu(K * check_rho(rho, K))  # [N, N], columns scaled
    size, num_states = P.shape
    b = torch.eye(size, dtype=torch.float64) - α * H  # [N, N]
    c = α * γ * H @ P  # [N, S]
    absolute = b.abs()
    gain = (b.view(size, num_states, -1) + c[:, :, None]).abs()
    gain -= absolute.view(size, num_states, -1)  # [N, S, A]

    def excess(v: Tensor) -> Tensor:
        greedy = (gain * v.view(num_states, -1)).amax(2).sum(1)
        return absolute @ v + greedy - v

    own = torch.arange(size)
    own_terms = absolute.diagonal() + gain.view(size, size)[own, own].clamp(max=0)
    return best_weights(excess, size, shift=max(0.0, 1.0 - float(own_terms.min())))


def _checked_transitions(transitions: Tensor, size: int) -> Tensor:
    """Return P as float64 [N, S]."""
    P = on_cpu(check_finite("transitions", transitions))
    P = P.reshape(-1, P.shape[-1]) if P.ndim == 3 else P
    if P.ndim != 2 or P.shape[0] != size or P.shape[1] == 0 or size % P.shape[1]:
        raise InvalidValueError(
            f"transitions must be [S·A, S] with S·A = {size}, the pairs of K",
            got=list(transitions.shape),
            remedy="K must cover every action of every state: a closed index set.",
        )
    if float(P.min()) < 0 or float(P.sum(1).max()) > 1 + 1e-6:
        raise InvalidValueError(
            "transitions must be probabilities with row sums of at most 1",
            got=f"least {float(P.min()):.3g}, largest row sum {float(P.sum(1).max()):.6g}",
        )
    return P
