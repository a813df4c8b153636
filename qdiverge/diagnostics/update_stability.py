"""The verdict on the run's own update, from the kernels of one moment."""

from dataclasses import replace

import torch
from torch import Tensor

from qdiverge.diagnostics.blocks import Blocks, selection_of
from qdiverge.diagnostics.doubts import why_not_certified, why_not_divergent, why_other_map
from qdiverge.diagnostics.hidden_directions import hides_motion
from qdiverge.diagnostics.moment import Moment
from qdiverge.theory import StabilityReport, check_stability
from qdiverge.theory.descent import Descent
from qdiverge.update import UpdateRule, measured_otherwise


def stability_of(
    moment: Moment, blocks: Blocks, rule: UpdateRule, batch_size: int | None = None
) -> StabilityReport:
    """Return the verdict on an update by ``rule``: of all critics, and undecided where unmodelled.

    Args:
        moment: The networks, the batch.
        blocks: Its kernels; of a Q-network those of every successor action, too.
        rule: The update.
        batch_size: Updates are on so many of the transitions, drawn at random; None: on all.
    """
    n, weights, greedy = n_critics(moment), weights_of_critics(moment), None
    if moment.twins:
        K, successors, greedy = _critics_side_by_side(moment, blocks, rule)
    else:
        K, successors = blocks.kernel(0), blocks.following(0)
        K = (K + K.T) / 2  # the sum over layers rounds either triangle alike, but for the order
        greedy = None if moment.is_critic else moment.next_actions
    unclipped = n * _unclipped(moment).repeat(n)

    def verdict(
        descent: Descent = rule.descent, *, at: Tensor = unclipped, lags: bool = True
    ) -> StabilityReport:
        return check_stability(
            K,
            successors,
            greedy,
            target_period=rule.period if lags else 1,
            polyak=rule.share if lags else None,
            descent=descent,
            sample_weights=at.to(K.device),
            is_double=rule.is_double and lags,
            batch_size=batch_size if not moment.twins else None,
        )

    report = verdict(at=weights)

    def undecided(reason: str) -> StabilityReport:
        return replace(report, verdict="undecided", reason=reason, divergent_actions=None)

    if blocks.noise_error:
        return undecided(
            f"noisy weights: K is the mean over draws of their noise (standard error "
            f"{blocks.noise_error:.2g} of it), an update has one of them"
        )
    other = measured_otherwise((moment.q_network, *moment.twins))
    if reason := rule.not_modelled or other or why_other_map(moment, rule):
        return undecided(reason)
    if rule.loss == "huber" and not bool((weights > 0).any()):
        return undecided(
            "every TD error is beyond ±1, where Huber's loss makes the same step whatever the "
            "errors are: no linear map is of it until some come back"
        )
    system = K, successors, greedy, unclipped / len(K)
    if report.verdict == "certified":
        if moment.twins and batch_size is not None:
            return undecided("mean-square stability of several critics is not known")
        if not report.certificate.holds and hides_motion(moment, K, unclipped):
            return undecided(
                f"{report.reason}; but rounding hides slower modes, along which parameters move: "
                "diagnose a copy in float64, network.double()"
            )
        if doubt := why_not_certified(moment, rule, *system, verdict):
            return undecided(f"{report.reason}; but {doubt}")
    if report.verdict == "divergent" and (
        doubt := why_not_divergent(moment, rule, *system, report.update_radius)
    ):
        return undecided(f"{report.reason}; but {doubt}")
    if rule.is_preconditioned and report.verdict != "undecided":
        return replace(report, reason=f"{report.reason}, with the second moments as they are")
    return report


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

    In the kernels' own dtype, which says what rounding hides.

    Returns:
        K ``[nN, nN]``, K' ``[nN, n, nN]`` and which critic is the least ``[nN]``; of a mean, or
        the least of a random few, K' ``[nN, nN]`` and None.
    """
    n, N = len(blocks.own), len(moment.batch)
    selection = selection_of(moment, rule)
    joint, following = blocks.side_by_side(selection)
    K = torch.stack(list(joint.values())).sum(0)
    if rule.critics == "mean" or rule.critic_subset is not None:
        return K, torch.stack(list(following.values())).sum(0), None
    ahead = K.new_zeros(n * N, n, n * N)
    for m, layers in enumerate(blocks.ahead):
        each = torch.stack(list(layers.values())).sum(0)
        ahead[:, m, m * N : (m + 1) * N] = each.repeat(n, 1)
    return K, ahead, selection.argmax(1).repeat(n).to(K.device)
