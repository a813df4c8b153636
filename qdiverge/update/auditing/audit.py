"""``qd.audit``: what a loop trains, read off the gradient it leaves, and the bugs that it shows.

First the gradient is held to the one that the declared loop would make; its residual is that of
whole gradients, about 1e-6 for a sound loop. Only where that fails are other ways looked for, in
prediction space (:mod:`qdiverge.update.auditing.gradient_gram`), and whatever is found is held to
the whole gradient again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdiverge.checks import check_positive
from qdiverge.tensor_checks import check_optimizer
from qdiverge.update.auditing.arguments import make_case
from qdiverge.update.auditing.case import Case, Explanation
from qdiverge.update.auditing.data_audit import audit_rows
from qdiverge.update.auditing.explain import explain, match
from qdiverge.update.auditing.findings import Finding
from qdiverge.update.auditing.still_calls import Networks, Policy
from qdiverge.update.auditing.structural import Optimizers, split_scale, structural


@dataclass(frozen=True, eq=False)
class Audit:
    """What a gradient says about the loop that made it.

    Attributes:
        sample_gradients: ∂L/∂Q(s_i, a_i) as recovered, [N]; of several critics the first one's.
        explained: Share of ‖g‖² that the Q-gradients of the batch's pairs explain.
        loss: "half_squared", "squared", "huber" or "unknown". Where no |δ| passes 1, ½δ² and
            Huber have one gradient: the declared one, or "half_squared".
        gradient_scale: What the mean loss's gradient is multiplied by: 1, or the clipping factor,
            AMP's scale, N of a sum. NaN where unknown.
        discount: γ, or γ^k, that the gradient shows; NaN where unknown.
        bootstrap: "target_q", "q", "double_q", "inverse_double_q", "none" or "unknown".
        terminal_factor: Share of the bootstrap that terminal rows keep: 0 where they are masked;
            NaN where no row is terminal.
        reward_factor: What the rewards are multiplied by.
        residual: ‖g − g of what was found‖/‖g‖, about 1e-6 for what is exactly so.
        rounding: The residual up to which it is taken for exactly so; NaN where unknown.
        findings: What is wrong; empty for a sound loop.
    """

    sample_gradients: Tensor
    explained: float
    loss: str
    gradient_scale: float
    discount: float
    bootstrap: str
    terminal_factor: float
    reward_factor: float
    residual: float
    rounding: float = math.nan
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"loss {self.loss} × {self.gradient_scale:.4g}, bootstrap {self.bootstrap}, "
            f"γ {self.discount:.4g}, terminal rows keep {self.terminal_factor:.3g} of it, "
            f"rewards × {self.reward_factor:.4g}",
            f"{self.explained:.4%} of |g|² is of the batch's Q(s, a); "
            f"residual {self.residual:.1e} of |g|",
        ]
        messages = [f"- {f.message}" for f in self.findings] or ["Nothing wrong was found."]
        return "\n".join(lines + messages)


@torch.inference_mode(mode=False)
def audit(
    q_net: Networks,
    batch: Any,
    discount: float = 0.99,
    *,
    target: Networks | None = None,
    optimizer: Optimizers | None = None,
    policy: Policy | None = None,
    entropy_coefficient: float = 0.0,
    bootstrap: str | None = None,
    loss: str | None = None,
    max_grad_norm: float | None = None,
    previous_gradient: Tensor | None = None,
) -> Audit:
    """Say what a loop trains, and name its bugs, from ``.grad`` before ``optimizer.step()``.

    g = c Σ_i w_i ψ(Q(s_i, a_i) − y_i) ∇Q(s_i, a_i)/N,  y_i = ρ r_i + γ f_i m_i,  ψ = ℓ',

    is compared with ``.grad`` for the declared loop, then for others (c: clipping, AMP; f_i: 1, or
    the terminal factor). Nothing is changed: networks, gradients, random states and modes stay.
    One look costs two to three updates where all is well; of small networks 17 to some hundred
    where something is wrong, until it is found out what.

    Args:
        q_net: Called as ``q_net(observations)``, returns [N, A]; or a critic, called with
            observations and actions [N, k], or several of one loss.
        batch: The very transitions that the loss was made from: a dict, an object of any library.
            Also read where there: ``weights`` [N], ``discounts`` γ_i [N], ``truncated`` [N], of
            critics ``next_actions`` and ``next_log_probs``.
        discount: γ as declared.
        target: The target network, or critics; None: the loop bootstraps from ``q_net``.
        optimizer: What trains ``q_net``; also several.
        policy: s' → a', or (a', log π), of a critic whose batch has no next actions.
        entropy_coefficient: η of a soft critic.
        bootstrap: As declared; None: "target_q" or "double_q", and "q" without a target.
        loss: As declared; None: any of "half_squared", "squared", "huber".
        max_grad_norm: The norm that the loop clips to, where it is meant to.
        previous_gradient: g of the update before, [P], as :attr:`Auditor` remembers it.

    Raises:
        InvalidValueError: no ``.grad``, or one that is not finite; shapes, or names out of range.
        InvalidTypeError: no module, or a field is missing from the batch.

    >>> q_net = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.ones_(q_net.weight)
    >>> s, a = torch.tensor([[1.0], [2.0]]), torch.zeros(2, dtype=torch.int64)
    >>> batch = dict(obs=s, actions=a, rewards=torch.ones(2), next_obs=s, dones=torch.zeros(2))
    >>> y = 1 + 0.5 * s[:, 0]  # γ m = 0.5 s
    >>> ((q_net(s)[:, 0] - y).square() / 2).mean().backward()  # δ = 0.5, 0
    >>> seen = audit(q_net, batch, discount=0.5)
    >>> seen.sample_gradients, seen.loss, seen.findings
    (tensor([-0.2500,  0.0000]), 'half_squared', ())
    """
    if optimizer is not None:
        several = optimizer if isinstance(optimizer, Sequence) else [optimizer]
        optimizer = [check_optimizer("optimizer", one) for one in several]
    if max_grad_norm is not None:
        max_grad_norm = check_positive("max_grad_norm", max_grad_norm)
    case = make_case(
        q_net, batch, discount, target, policy, entropy_coefficient, bootstrap, loss,
        previous_gradient,
    )  # fmt: skip
    best = match(case) or explain(case)
    findings = structural(case, best, optimizer, loss, max_grad_norm)
    return summarise(case, best, [*best.findings, *findings, *audit_rows(case.batch)], loss)


def summarise(
    case: Case, found: Explanation, findings: list[Finding], declared: str | None
) -> Audit:
    """Return the record of what was found."""
    loss, scale = split_scale(found, declared)
    h = found.hypothesis
    slopes = torch.as_tensor(found.slopes, dtype=case.reading.gradient.dtype)
    has_ends = bool(case.columns.terminated.any())
    nan = math.nan
    kept = nan
    if h is not None and has_ends:
        kept = h.terminal_factor / (h.discount_factor or 1.0)
    unique = {f.code + f.message: f for f in findings}
    rule = "unknown" if h is None else h.bootstrap.partition("/")[0]
    if h is not None and h.discount_factor == 0 and h.terminal_factor == 0:
        rule = "none"
    discount = nan if h is None else case.discount * h.discount_factor
    return Audit(
        sample_gradients=slopes.to(case.reading.gradient.device),
        explained=found.explained,
        loss="unknown" if found.is_clamped else loss,
        gradient_scale=scale,
        discount=0.0 if rule == "none" else discount,
        bootstrap=rule,
        terminal_factor=kept,
        reward_factor=nan if h is None or not case.columns.rewards["shown"].any()
        else h.reward_factor,
        residual=found.residual,
        rounding=found.rounding,
        findings=tuple(unique.values()),
    )  # fmt: skip
