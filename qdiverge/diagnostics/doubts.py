"""What a verdict on the linear map leaves out of the run's update: why it is then "undecided"."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.linear_path import path_errors
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.present_state import path_from_here
from qdiverge.diagnostics.quiet import quiet
from qdiverge.diagnostics.sign_steps import has_ray_of_signs
from qdiverge.theory import StabilityReport, check_stability
from qdiverge.theory.bounded_steps import (
    has_saturated_ray,
    shrinks_however_clipped,
    smaller_steps,
)
from qdiverge.theory.linearisation import LARGEST_ERROR
from qdiverge.update import UpdateRule

Verdict = Callable[..., StabilityReport]  # of a descent, with the target that lags or without it


def why_other_map(moment: Moment, rule: UpdateRule) -> str:
    """Return why the run's update is another map than that of the rule; "" where it is not."""
    critics, targets = (moment.q_network, *moment.twins), (moment.target, *moment.target_twins)
    if not moment.is_critic and (moment.policy is not None or rule.entropy_coefficient):
        return "with integer actions the greedy one is followed: no policy, and no entropy, is"
    if moment.target is not None and not rule.lags and rule.bootstrap != "q":
        pairs = zip(critics, targets, strict=False)
        if any(not _is_same(own, slow) for own, slow in pairs if slow is not None):
            return (
                "the target network is not where the network that learns is, and how it follows "
                "is not known: say target_period or polyak"
            )
    if moment.optimizer is not None:
        held = {id(p) for group in moment.optimizer.param_groups for p in group["params"]}
        for c, critic in enumerate(critics):
            if not any(id(p) in held for p in critic.parameters()):
                return f"the optimiser holds no parameter of critic {c}"
    if len(critics) > 1 and (shared := _shared(moment)):
        return f"the critics share {shared}, and their kernels are of each alone"
    return ""


def why_not_certified(
    moment: Moment,
    rule: UpdateRule,
    K: Tensor,
    successors: Tensor,
    greedy: Tensor | None,
    D: Tensor,
    verdict: Verdict,
) -> str:
    """Return why what is certified of the linear map is not of the run; "" where it is.

    Where steps are bounded a far error takes many of them: it moves as by small steps, and beside
    it a target network hardly lags. So every smaller step, too, must be certified.

    Args:
        moment: The networks, the batch, the optimiser.
        rule: The update.
        K: kernel of all critics ``[nN, nN]``.
        successors: K' of every action, or of one.
        greedy: the present ones.
        D: weights ``[nN]``, as if no error were clipped.
        verdict: on another descent.
    """
    if rule.critic_subset is not None:
        return "while the order of the critics at each successor stays"
    groups = [] if moment.optimizer is None else moment.optimizer.param_groups
    if any(group.get("centered") for group in groups):
        return "centred second moments are next to none where the gradient is steady"
    if ways := _bounded(rule):
        d, fastest = rule.descent, float((K.abs() * D.to(K)).sum(1).max())
        lag = rule.period / (rule.share or 1.0)
        smaller = smaller_steps(d.learning_rate * d.total_gain * fastest, lag)
        steps = [d.with_rate(d.learning_rate * factor) for factor in (1.0, *smaller)]
        every = all(verdict(step).verdict == "certified" for step in steps)
        if not (every and verdict(steps[-1], lags=False).verdict == "certified"):
            return f"{ways}, and smaller ones are not certified"
        if rule.loss == "huber" and not shrinks_however_clipped(
            K, successors, D, d.learning_rate * d.total_gain
        ):
            return f"{ways}, and which errors are clipped matters"
    ahead = at_actions(successors, present(greedy, K))
    error, bend = path_errors(moment, rule, K, ahead, D)
    if not error <= LARGEST_ERROR:
        return (
            "on the way to where the linear system ends the network is not linear: it misses by "
            f"{error:.3g} there"
        )
    if not bend <= LARGEST_ERROR:
        return f"the curvature of Q at these TD errors takes back {bend:.3g} of a slow mode's decay"
    return ""


def why_not_divergent(
    moment: Moment,
    rule: UpdateRule,
    K: Tensor,
    successors: Tensor,
    greedy: Tensor | None,
    D: Tensor,
    update_radius: float,
) -> str:
    """Return why a growing mode may come to an end; "" where nothing holds it.

    Second moments grow with the gradient, clipping and Huber's loss bound it: what grows by too
    large a step alone then oscillates, and decay balances what pushes on.
    """
    if ways := _bounded(rule):
        if rule.descent.has_decay:
            return f"{ways}, and decay then holds the weights"
        if rule.loss == "huber":
            if not has_saturated_ray(K, successors, D, present(greedy, K)):
                return f"{ways}, and far out the errors were not found to push each other on"
        else:
            fastest = float((K.abs() * D.to(K)).sum(1).max())  # no eigenvalue of KD is more
            small = check_stability(
                K, successors, greedy, learning_rate=1e-3 / (fastest or 1.0),
                sample_weights=len(K) * D.to(K.device),
            )  # fmt: skip
            if small.verdict != "divergent":
                return f"{ways}, and at small ones it was not found to grow"
    is_signed = rule.is_preconditioned and rule.is_double and moment.optimizer is not None
    ahead = at_actions(successors, present(greedy, K))
    if is_signed and not has_ray_of_signs(moment, K, ahead, D):
        return f"{ways}, and far out the signs of its gradient do not push on for sure"
    if changing := _why_changing(math.log(update_radius), moment):
        return changing
    if rule.critic_subset is not None:
        return "each update draws other critics, and which are least may change as it grows"
    if successors.ndim == 3 and bool((successors != successors[:, :1]).any()):
        grows, updates = path_from_here(moment, rule, K, successors, D)
        if not grows:
            return (
                "from where the run is the linear system was not seen to grow so within "
                f"{updates} updates: on the mode's other side, or with other actions, it may rest"
            )
    return ""


def present(greedy: Tensor | None, K: Tensor) -> Tensor:
    """Return the present greedy actions, or the only ones."""
    return torch.zeros(len(K), dtype=torch.int64) if greedy is None else greedy


def at_actions(successors: Tensor, actions: Tensor) -> Tensor:
    """Return K' ``[N, N]`` at one action of each row."""
    if successors.ndim == 2:
        return successors
    rows = torch.arange(len(successors), device=successors.device)
    return successors[rows, actions.to(successors.device)]


def _bounded(rule: UpdateRule) -> str:
    """Say what bounds a step; "" where nothing does."""
    ways = ["Huber's loss"] if rule.loss == "huber" else []
    ways += ["clipping"] if rule.clipping is not None else []
    ways += [f"{rule.optimizer}'s second moments"] if rule.is_preconditioned else []
    if not ways:
        return ""
    verb = "bound" if len(ways) > 1 or rule.is_preconditioned else "bounds"
    return f"{' and '.join(ways)} {verb} the step"


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


def _is_same(own: nn.Module, slow: nn.Module) -> bool:
    pairs = zip(own.parameters(), slow.parameters(), strict=False)
    return all(torch.equal(p.detach(), s.detach()) for p, s in pairs if p.shape == s.shape)


def _shared(moment: Moment) -> str:
    """Return the name of a parameter that moves two of the critics; "" where none does."""
    seen: set[int] = set()
    for each in moment.each_critic:
        s, a = (x[:1] for x in each.pairs)
        own = {n: p for n, p in each.q_network.named_parameters() if p.requires_grad}
        with quiet(each.q_network), torch.enable_grad():
            value = each.q_network(s, a).sum()
            rows = torch.autograd.grad(value, list(own.values()), allow_unused=True)
        used = {n: id(p) for (n, p), g in zip(own.items(), rows, strict=True) if g is not None}
        if both := [n for n, key in used.items() if key in seen]:
            return both[0]
        seen |= set(used.values())
    return ""
