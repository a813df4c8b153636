"""The verdict on the run's own update, from the kernels of one moment."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from qdiverge.diagnostics.blocks import Blocks, selection_of
from qdiverge.diagnostics.moment import Moment
from qdiverge.theory import StabilityReport, check_stability
from qdiverge.theory.bounded_steps import has_saturated_ray
from qdiverge.update import UpdateRule, measured_otherwise


def stability_of(
    moment: Moment, blocks: Blocks, rule: UpdateRule, batch_size: int | None = None
) -> StabilityReport:
    """Return the verdict on an update by ``rule``: of all critics, and undecided where unmodelled.

    Where Huber's loss clips, D is 0: what is certified there must be certified also once every TD
    error is within ±1.

    Args:
        moment: The networks, the batch.
        blocks: Its kernels; of a Q-network those of every successor action, too.
        rule: The update.
        batch_size: Adds mean-square stability; of one network.
    """
    weights, greedy = weights_of_critics(moment), None
    if moment.twins:
        K, successors, greedy = _critics_side_by_side(moment, blocks, rule)
    else:
        K, successors = blocks.kernel(0), blocks.following(0)
        K = (K + K.T) / 2  # the sum over layers rounds either triangle alike, but for the order
        greedy = None if moment.is_critic else moment.next_actions

    def verdict(at: Tensor) -> StabilityReport:
        return check_stability(
            K,
            successors,
            greedy,
            target_period=rule.period,
            polyak=rule.share,
            descent=rule.descent,
            sample_weights=at.to(K.device),
            is_double=rule.is_double,
            batch_size=batch_size if not moment.twins else None,
        )

    report = verdict(weights)
    if blocks.noise_error:
        reason = (
            f"noisy weights: K is the mean over draws of their noise (standard error "
            f"{blocks.noise_error:.2g} of it), an update has one of them"
        )
        return replace(report, verdict="undecided", reason=reason)
    if rule.not_modelled:
        return replace(report, verdict="undecided", reason=rule.not_modelled)
    if other := measured_otherwise((moment.q_network, *moment.twins)):
        return replace(report, verdict="undecided", reason=other)
    if rule.critic_subset is not None and report.verdict == "certified":
        reason = "certified while the order of the critics at each successor stays"
        return replace(report, verdict="undecided", reason=reason)
    if report.verdict == "certified" and bool((weights == 0).any()) and rule.loss == "huber":
        all_rows = n_critics(moment) * _unclipped(moment).repeat(n_critics(moment))
        if verdict(all_rows).verdict != "certified":
            clipped = int((weights == 0).sum())
            return replace(
                report,
                verdict="undecided",
                reason=f"{clipped} of {len(weights)} TD errors are clipped: what holds now is not "
                "certified once they are within ±1",
            )
    if report.verdict == "divergent":
        growth = math.log(report.update_radius)
        doubt = _why_bounded(K, successors, greedy, rule, moment) or _why_changing(growth, moment)
        if doubt:
            reason = f"{report.reason}; but {doubt}"
            return replace(report, verdict="undecided", reason=reason, divergent_actions=None)
    if rule.is_preconditioned and report.verdict != "undecided":
        return replace(report, reason=f"{report.reason}, with the second moments as they are")
    return report


def _why_bounded(
    K: Tensor, successors: Tensor, greedy: Tensor | None, rule: UpdateRule, moment: Moment
) -> str:
    """Return why a growing mode may come to an end where steps are bounded; "" where it does not.

    Second moments grow with the gradient, clipping and Huber's loss bound it: what grows by too
    large a step alone then oscillates, and decay balances what pushes on.
    """
    ways = ["Huber's loss"] if rule.loss == "huber" else []
    ways += ["clipping"] if rule.clipping is not None else []
    ways += [f"{rule.optimizer}'s second moments"] if rule.is_preconditioned else []
    if not ways:
        return ""
    bound = (
        f"{' and '.join(ways)} bound the step" if len(ways) > 1 else f"{ways[0]} bounds the step"
    )
    if rule.descent.has_decay:
        return f"{bound}, and decay then holds the weights"
    weights = n_critics(moment) * _unclipped(moment).repeat(n_critics(moment))
    if rule.loss == "huber":
        chosen = torch.zeros(len(K), dtype=torch.int64) if greedy is None else greedy
        if has_saturated_ray(K, successors, weights / len(K), chosen):
            return ""
        return f"{bound}, and far out the errors were not found to push each other on"
    fastest = float((K.abs() * weights.to(K) / len(K)).sum(1).max())  # no eigenvalue of KD is more
    small = check_stability(
        K, successors, greedy, learning_rate=1e-3 / (fastest or 1.0),
        sample_weights=weights.to(K.device),
    )  # fmt: skip
    if small.verdict == "divergent":
        return ""
    return f"{bound}, and at small ones it was not found to grow"


def _why_changing(growth: float, moment: Moment) -> str:
    """Return why second moments change sooner than a mode grows e-fold; "" where they do not.

    Args:
        growth: ln λ of the mode, per update.
        moment: Its optimiser forgets old gradients at the rate 1 − β₂.
    """
    if moment.optimizer is None or not moment.preconditioner:
        return ""
    groups = moment.optimizer.param_groups
    memories = [group.get("betas", (0, group.get("alpha", 1.0)))[1] for group in groups]
    if growth >= 1 - min(memories):
        return ""
    return (
        f"it needs {1 / growth:.3g} updates to grow e-fold, and the second moments, which it was "
        f"seen with, last {1 / (1 - min(memories)):.3g}"
    )


def n_critics(moment: Moment) -> int:
    """Return how many critics there are; 1 of a Q-network."""
    return len(moment.twins) + 1


def _unclipped(moment: Moment) -> Tensor:
    """Return the importance weights [N], as if no TD error were clipped."""
    if moment.weights is None:
        return torch.ones(len(moment.batch), dtype=torch.float64)
    return moment.weights.double()


def weights_of_critics(moment: Moment) -> Tensor:
    """Return w_i ψ'(δ_i) of each row (c, i), ``[nN]``: of nN rows, ρ = 1/N for each critic's."""
    n = n_critics(moment)
    return n * moment.sample_weights.repeat(n)


def _critics_side_by_side(
    moment: Moment, blocks: Blocks, rule: UpdateRule
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return one system of all critics: row (c, i) bootstraps from the critic that is the least.

    Returns:
        K ``[nN, nN]``, K' ``[nN, n, nN]`` and which critic is the least ``[nN]``; of a mean, or
        the least of a random few, K' ``[nN, nN]`` and None.
    """
    n, N = len(blocks.own), len(moment.batch)
    selection = selection_of(moment, rule)
    joint, following = blocks.side_by_side(selection)
    K = torch.stack(list(joint.values())).sum(0).double()
    if rule.critics == "mean" or rule.critic_subset is not None:
        return K, torch.stack(list(following.values())).sum(0).double(), None
    ahead = torch.zeros(n * N, n, n * N, dtype=torch.float64)
    for m, layers in enumerate(blocks.ahead):
        each = torch.stack(list(layers.values())).sum(0).double()
        ahead[:, m, m * N : (m + 1) * N] = each.repeat(n, 1)
    return K, ahead, selection.argmax(1).repeat(n)
