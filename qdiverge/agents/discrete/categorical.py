"""C51 (Bellemare et al. 2017, arXiv:1707.06887): learn how the return is distributed, not its mean.

Z(s, a) takes the values z_j = v_min + j Δ, j < N, with probabilities p_j(s, a) = softmax of logits;
Q(s, a) = Σ_j z_j p_j(s, a). The target moves the atoms of p' = p(s'_i, a*_i) and is brought back
onto the support by Φ, each mass shared between its two neighbours (the paper's equation 7):

    m_ij = Σ_l [1 − |T z_l − z_j| / Δ]₀¹ p'_l,  T z_l = R_i + γ^k (1 − d_i) z_l

with T z_l cut to [v_min, v_max]. Then

    minimise mean_i w_i H(m_i, p(s_i, a_i)),  H(m, p) = −Σ_j m_j log p_j = KL(m ‖ p) + H(m)

Which network selects a*_i by its Q, and which one's p' is moved, is the bootstrap rule of
:mod:`qdiverge.td`. The expected values have an ordinary TD error, δ_i = Σ_j z_j m_ij − Q(s_i, a_i).

Differs from the paper in:

1. Any of the four bootstraps may select and evaluate a*_i; the paper's is the target network's.
2. R_i and γ^k may be of several steps, and w_i of prioritised replay (Hessel et al. 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.td import Bootstrap

LogitFunction = Callable[[Tensor], Tensor]


def projected(
    probabilities: Tensor,
    rewards: Tensor,
    terminated: Tensor,
    discount: float | Tensor,
    support: Tensor,
) -> Tensor:
    """Return the distribution of R + γ^k Z' on the support: m = Φ T p'.

    Source: Bellemare et al. (2017), equation 7 and Algorithm 1. The mean is kept wherever no atom
    is cut off.

    Args:
        probabilities: [B, N], p' of s'.
        rewards: [B], R.
        terminated: bool [B], d.
        discount: γ, or γ^k for each transition, [B].
        support: [N], z, evenly spaced and rising.

    Returns:
        [B, N], m; each row sums to 1.

    >>> support = torch.tensor([0.0, 1.0, 2.0])
    >>> p, end = torch.tensor([[0.5, 0.0, 0.5]]), torch.tensor([False])
    >>> projected(p, torch.tensor([0.5]), end, 0.25, support)  # atoms at .5 and 1 (half of .5 each)
    tensor([[0.2500, 0.7500, 0.0000]])
    >>> projected(p, torch.tensor([0.5]), ~end, 0.25, support)  # all at .5
    tensor([[0.5000, 0.5000, 0.0000]])
    """
    goes_on = discount * (~terminated.bool()).to(support.dtype)  # [B], γ^k (1 − d)
    moved = rewards[:, None] + goes_on[:, None] * support  # [B, N], T z
    step = (support[-1] - support[0]) / (len(support) - 1)
    places = (moved.clamp(support[0], support[-1]) - support[0]) / step  # [B, N], in units of Δ
    own = torch.arange(len(support), dtype=support.dtype, device=support.device)
    shares = (1.0 - (places[:, :, None] - own).abs()).clamp(min=0.0)  # [B, N from, N to]
    return torch.einsum("bl,blj->bj", probabilities, shares)


def bootstrap_distribution(
    rule: Bootstrap,
    online: LogitFunction,
    target: LogitFunction,
    next_observations: Tensor,
    support: Tensor,
) -> Tensor:
    """Return the distribution that a target bootstraps from: p_e(s', argmax_a Q_s(s', a)).

    Args:
        rule: Who selects (s) and who evaluates (e), see ``targets``.
        online: Gives logits [B, A, N].
        target: Gives logits [B, A, N]; not called where the rule does not ask it.
        next_observations: s', [B, ...].
        support: [N], z.

    Returns:
        [B, N], p'.

    >>> z, slow = torch.tensor([0.0, 1.0]), torch.tensor([[[0.0, 0.0], [0.0, -9.0]]])  # Q = 1/2, 0
    >>> fast = torch.tensor([[[0.0, -9.0], [0.0, 9.0]]])  # Q = 0, 1
    >>> for rule in ("q", "target_q", "inverse_double_q", "double_q"):
    ...     p = bootstrap_distribution(rule, lambda _: fast, lambda _: slow, None, z)
    ...     print(rule, p.round(decimals=3).tolist())
    q [[0.0, 1.0]]
    target_q [[0.5, 0.5]]
    inverse_double_q [[1.0, 0.0]]
    double_q [[1.0, 0.0]]
    """
    evaluate = online if rule in ("q", "inverse_double_q") else target
    select = online if rule in ("q", "double_q") else target
    p = evaluate(next_observations).softmax(dim=2)  # [B, A, N]
    choosing = p if select is evaluate else select(next_observations).softmax(dim=2)
    best = expectation(choosing, support).argmax(dim=1)  # [B]
    return of_actions(p, best)


def expectation(probabilities: Tensor, support: Tensor) -> Tensor:
    """Return Q = Σ_j z_j p_j over the last dimension.

    >>> expectation(torch.tensor([[0.25, 0.75]]), torch.tensor([-1.0, 1.0]))
    tensor([0.5000])
    """
    return (probabilities * support).sum(dim=-1)


def of_actions(values: Tensor, actions: Tensor) -> Tensor:
    """Return the rows [B, N] of values [B, A, N] that belong to actions [B]."""
    return values[torch.arange(len(actions), device=actions.device), actions]


@dataclass(frozen=True, eq=False)
class CategoricalLoss:
    """What a batch costs, and the expected values behind it; gradients go through the first only.

    Args:
        cross_entropies: [B], H(m_i, p_i).
        divergences: [B], KL(m_i ‖ p_i) ≥ 0: what Rainbow's priorities are made of.
        q_values: [B, A], Q(s_i, ·).
        td_errors: [B], δ_i of the expected values.
    """

    cross_entropies: Tensor
    divergences: Tensor
    q_values: Tensor
    td_errors: Tensor


def categorical_loss(
    logits: Tensor, actions: Tensor, targets: Tensor, support: Tensor
) -> CategoricalLoss:
    """Return the cross-entropy of each transition.

    Source: Bellemare et al. (2017), Algorithm 1; the divergence: Hessel et al. (2018),
    arXiv:1710.02298, section "The Integrated Agent".

    Args:
        logits: [B, A, N], of s.
        actions: integers [B].
        targets: [B, N], m.
        support: [N], z.

    Returns:
        The losses.

    >>> even, z = torch.zeros(1, 1, 2), torch.tensor([0.0, 1.0])
    >>> found = categorical_loss(even, torch.tensor([0]), torch.tensor([[0.0, 1.0]]), z)
    >>> found.cross_entropies, found.td_errors  # log 2; 1 − 1/2
    (tensor([0.6931]), tensor([0.5000]))
    """
    log_p = of_actions(logits, actions).log_softmax(dim=1)  # [B, N]
    cross_entropies = -(targets * log_p).sum(dim=1)
    entropies = -torch.xlogy(targets, targets).sum(dim=1)
    q_values = expectation(logits.detach().softmax(dim=2), support)
    chosen = expectation(log_p.detach().exp(), support)
    return CategoricalLoss(
        cross_entropies=cross_entropies,
        divergences=(cross_entropies.detach() - entropies).clamp(min=0.0),
        q_values=q_values,
        td_errors=expectation(targets, support) - chosen,
    )
