"""``qd.audit``: what a loop trains, read off the gradient it leaves, and the bugs that it shows.

First the gradient is held to the one that the declared loop would make; its residual is that of
whole gradients, about 1e-6 for a sound loop. Only where that fails are other ways looked for, in
prediction space (:mod:`qdiverge.update.auditing.gram`), and whatever is found is held to the whole
gradient again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.checks import check_choice, check_discount
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.td import BOOTSTRAPS
from qdiverge.transitions import Transitions, as_transitions, field_of
from qdiverge.update.auditing.case import Case, Explanation
from qdiverge.update.auditing.columns import LOSSES, Array, Columns, Hypothesis
from qdiverge.update.auditing.data_audit import audit_rows
from qdiverge.update.auditing.explain import explain, match
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.following import Following
from qdiverge.update.auditing.networks import Networks, Policy, modules_of
from qdiverge.update.auditing.reading import Reading, numbers, read

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]
TRUNCATED = ("truncated", "truncations", "truncation", "timeouts")
WHOLE = 1e-3  # how near a ratio of gradients is to 1 or 2 to be taken for it


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
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"loss {self.loss} × {self.gradient_scale:.4g}, bootstrap {self.bootstrap}, "
            f"γ {self.discount:.4g}, terminal rows keep {self.terminal_factor:.3g} of it, "
            f"rewards × {self.reward_factor:.4g}",
            f"{self.explained:.4%} of |g|² is of the batch's Q(s, a); "
            f"residual {self.residual:.1e} of |g|",
        ]
        told = [f"- {f.message}" for f in self.findings] or ["Nothing wrong was found."]
        return "\n".join(lines + told)


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
    One look costs one to three updates where all is well, some ten where something is wrong.

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
    case = make_case(
        q_net, batch, discount, target, policy, entropy_coefficient, bootstrap, loss,
        previous_gradient,
    )  # fmt: skip
    found = match(case) or explain(case)
    structural = [
        *of_parameters(case.reading, optimizer),
        *of_targets(case, found),
        *of_scale(case, found, loss, max_grad_norm),
        *audit_rows(case.batch),
    ]
    return summarise(case, found, [*found.findings, *structural], loss)


def make_case(
    q_net: Networks,
    batch: Any,
    discount: float,
    target: Networks | None,
    policy: Policy | None,
    entropy_coefficient: float,
    bootstrap: str | None,
    loss: str | None,
    previous_gradient: Tensor | None,
) -> Case:
    """Check the arguments of :func:`audit` and return what is compared."""
    check_discount(discount)
    if bootstrap is not None:
        check_choice("bootstrap", bootstrap, BOOTSTRAPS)
    if loss is not None:
        check_choice("loss", loss, LOSSES)
    modules = modules_of("q_net", q_net)
    targets = () if target is None else modules_of("target", target)
    like = next((p for m in modules for p in m.parameters() if p.is_floating_point()), None)
    if like is None:
        raise InvalidTypeError("q_net must have parameters", got=type(modules[0]).__name__)
    transitions = as_transitions(batch).plain().to(like.device, like.dtype)
    reading = read(modules, transitions)
    following = Following(modules, targets, transitions, batch, policy, entropy_coefficient)
    if bootstrap is None:
        declared = ["q"] if not targets else ["target_q"]
        declared += ["double_q"] if targets and reading.actions is not None else []
    else:
        declared = [bootstrap]
    losses = {"huber": ["huber"], None: ["half_squared", "huber"]}.get(loss, ["half_squared"])
    return Case(
        modules=modules,
        targets=targets,
        batch=transitions,
        reading=reading,
        columns=make_columns(reading, transitions, batch, following, discount),
        discount=discount,
        declared=[Hypothesis(loss=own, bootstrap=rule) for rule in declared for own in losses],
        previous=previous_gradient,
    )


def make_columns(
    reading: Reading, batch: Transitions, raw: Any, following: Following, discount: float
) -> Columns:
    """Return the numbers of the batch, and those that a loop may have taken in their place."""
    q, N = numbers(reading.outputs), len(batch)
    if reading.actions is not None:
        q = q[range(N), numbers(reading.actions).astype(int)][:, None]
    r = numbers(batch.rewards)
    for name, column in (("rewards", r), ("Q-values", q)):
        if not bool((abs(column) < math.inf).all()):
            raise InvalidValueError(f"{name} must be finite", got="NaN or infinity in the batch")

    def row(*names: str, default: float) -> Array:
        value = field_of(raw, *names)
        if value is not None and value.numel() != N:
            raise InvalidValueError(f"{names[0]} must have shape [{N}]", got=list(value.shape))
        return numbers(torch.full((N,), default) if value is None else value.reshape(-1).float())

    weights = row("weights", default=1.0)
    shown = {"shown": weights}
    if weights.min() != weights.max():
        shown["none"] = 0 * weights + 1
    rewards = {"shown": r, "of the next row": np.roll(r, -1), "of the row before": np.roll(r, 1)}
    rewards |= {"their signs": np.sign(r), "clipped to ±1": r.clip(-1, 1)}
    rewards |= {"turned round": -r, "none": 0 * r}
    spread = r.std()
    if spread > 0:
        rewards |= {"less their mean, over their deviation": (r - r.mean()) / (spread + 1e-8)}
    return Columns(
        q={"shown": q},
        rewards=rewards,
        discounts=row("discounts", default=discount),
        terminated=np.where(numbers(batch.terminated) > 0, 1.0, 0.0),
        truncated=row(*TRUNCATED, default=0.0),
        following=following,
        weights=shown,
    )


def of_parameters(reading: Reading, optimizer: Optimizers | None) -> list[Finding]:
    """Return what is wrong with the parameters: without a gradient, or of no optimiser group."""
    found = []
    if names := reading.without_gradient():
        found.append(
            finding("parameters_without_gradient", names=", ".join(names),
                    shown="have no gradient although Q depends on them: frozen, or detached?")
        )  # fmt: skip
    if optimizer is not None:
        several = optimizer if isinstance(optimizer, Sequence) else [optimizer]
        held = {id(p) for o in several for group in o.param_groups for p in group["params"]}
        free = [name for name, p in reading.params.items() if id(p) not in held and has_grad(p)]
        if free:
            found.append(
                finding("parameters_without_gradient", names=", ".join(free),
                        shown="have a gradient but belong to no group of the optimiser")
            )  # fmt: skip
    return found


def has_grad(parameter: Tensor) -> bool:
    """Tell whether a parameter has a gradient other than zero."""
    return parameter.grad is not None and bool(parameter.grad.any())


def of_targets(case: Case, found: Explanation) -> list[Finding]:
    """Return what is wrong with the target network as an object."""
    own = {id(p) for p in case.reading.params.values()}
    target = [p for module in case.targets for p in module.parameters()]
    if target and all(id(p) in own for p in target):
        return [
            finding("bootstrap_differs", shown="q", declared="a target network",
                    hint=": the target shares its parameters with q_net; copy.deepcopy it")
        ]  # fmt: skip
    if any(has_grad(p) for p in target) and "no_stop_gradient" not in found.codes:
        return [finding("no_stop_gradient", shown="The target network has gradients")]
    return []


def of_scale(
    case: Case, found: Explanation, loss: str | None, max_grad_norm: float | None
) -> list[Finding]:
    """Return whether the gradient is clipped, or of another loss than declared."""
    if found.hypothesis is None or found.is_clamped:
        return []
    name, scale = split_scale(found, loss)
    if name == "unknown":
        return [] if loss is None else [finding("loss_differs", shown="|δ|", declared=loss)]
    norm = float(case.reading.gradient.double().norm())
    if scale > 1 - max(WHOLE, 3 * found.residual):
        is_other = loss is not None and name != loss and not math.isnan(scale)
        return [finding("loss_differs", shown=name, declared=loss)] if is_other else []
    if max_grad_norm is not None and abs(norm / max_grad_norm - 1) < WHOLE:
        return []
    round_norm = float(f"{norm:.3g}")
    hint = f", to a norm of {round_norm:g}" if abs(norm / round_norm - 1) < 2e-6 else ""
    return [finding("clipped", scale=scale, norm=norm, hint=hint)]


def split_scale(found: Explanation, loss: str | None) -> tuple[str, float]:
    """Return the loss's name and what its gradient is multiplied by.

    δ² is ½δ² with twice the gradient: a scale of 2, or one between 1 and 2, is taken for it.
    """
    if found.hypothesis is None:
        return "unknown", math.nan
    name, scale = found.hypothesis.loss, found.scale
    if name == "absolute":  # |δ|
        return "unknown", scale
    if name == "huber" and not (found.is_small and loss != "huber"):
        is_other = found.is_small and abs(scale - 2) < 2 * WHOLE
        return ("squared", scale / 2) if is_other else (name, scale)
    is_squared = abs(scale - 2) < 2 * WHOLE or (1 + WHOLE < scale < 2)
    if (loss == "squared" and abs(scale - 1) > WHOLE) or (loss is None and is_squared):
        return "squared", scale / 2
    if loss == "huber" and found.is_small:
        return "huber", scale
    return ("squared", scale / 2) if abs(scale - 2) < 2 * WHOLE else (name, scale)


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
        findings=tuple(unique.values()),
    )  # fmt: skip
