"""The verdict on the run's own update, from the kernels of one moment."""

from dataclasses import replace

import torch
from torch import Tensor

from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet
from qdiverge.kernel import NTK
from qdiverge.td import bootstrap_weights
from qdiverge.theory import StabilityReport, check_stability
from qdiverge.update import UpdateRule


def stability_of(
    moment: Moment, K: Tensor, rule: UpdateRule, batch_size: int | None = None
) -> StabilityReport:
    """Return the verdict on an update by ``rule``: of all critics, and undecided where unmodelled.

    Where Huber's loss clips, D is 0: what is certified there must be certified also once every TD
    error is within ±1.

    Args:
        moment: The networks, the batch.
        K: Of the first critic, ``[N, N]``.
        rule: The update.
        batch_size: Adds mean-square stability; of one network.
    """
    successors, greedy, weights = all_successors(moment), None, moment.sample_weights
    if moment.twins:
        K, successors, greedy = _critics_side_by_side(moment, K, successors, rule)
        weights = len(moment.twins) * weights + weights  # ρ = 1/N for each, of nN rows
        weights = weights.repeat(len(moment.twins) + 1)
    elif not moment.is_critic:
        greedy = moment.next_actions
    is_lagging = rule.is_evaluated_by_target

    def verdict(at: Tensor) -> StabilityReport:
        return check_stability(
            K,
            successors,
            greedy,
            target_period=rule.target_period or 1 if is_lagging else 1,
            polyak=rule.polyak if is_lagging else None,
            descent=rule.descent,
            sample_weights=at.to(K.device),
            is_double=rule.is_double,
            batch_size=batch_size if not moment.twins else None,
        )

    report = verdict(weights)
    if rule.not_modelled:
        return replace(report, verdict="undecided", reason=rule.not_modelled)
    if report.verdict == "certified" and bool((weights == 0).any()) and rule.loss == "huber":
        within = moment.weights if moment.weights is not None else torch.ones(len(moment.batch))
        all_rows = within.double().repeat(len(weights) // len(within)) * (len(moment.twins) + 1)
        if verdict(all_rows).verdict != "certified":
            clipped = int((weights == 0).sum())
            return replace(
                report,
                verdict="undecided",
                reason=f"{clipped} of {len(weights)} TD errors are clipped: what holds now is not "
                "certified once they are within ±1",
            )
    if rule.is_preconditioned and report.verdict != "undecided":
        return replace(report, reason=f"{report.reason}, with the second moments as they are")
    return report


def all_successors(moment: Moment) -> Tensor:
    """Return γ(1 − d_i) k((s'_i, a), x_j) for every action a, [N, A, N]; K' of a critic, [N, N]."""
    if moment.is_critic:
        return moment.successor_kernel.double()
    batch = moment.batch
    with quiet(moment.q_network):
        ntk = NTK(moment.q_network, preconditioner=moment.preconditioner)
        K = ntk.kernel(batch.next_observations, "all", batch.observations, batch.actions)
    weights = bootstrap_weights(moment.row_discounts, batch.terminated, torch.float64)
    return weights[:, None, None].to(K) * K


def _critics_side_by_side(
    moment: Moment, K: Tensor, successors: Tensor, rule: UpdateRule
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return one system of all critics: row (c, i) bootstraps from the critic that is the least.

    Returns:
        K ``[nN, nN]``, K' ``[nN, n, nN]`` and which critic is the least ``[nN]``; of their mean
        K' ``[nN, nN]`` and None.
    """
    each = [(K.double(), successors.double())]
    for twin in moment.twins:
        alone = replace(moment, q_network=twin, twins=(), target_twins=())
        each.append((alone.kernel.double(), alone.successor_kernel_by(moment.next_actions)))
    size, n = len(K), len(each)
    joint = torch.block_diag(*[own for own, _ in each])
    ahead = torch.zeros(n * size, n, n * size, dtype=torch.float64)
    for m, (_, following) in enumerate(each):
        ahead[:, m, m * size : (m + 1) * size] = following.repeat(n, 1)
    if rule.critics == "mean":
        return joint, ahead.mean(1), None
    values = moment.target_next_q if rule.is_evaluated_by_target else moment.online_next_q
    return joint, ahead, values.argmin(1).repeat(n)
