"""The classic bugs, each put into a sound loop, and the codes that name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from experiments.audit.loops import Loop
from qdiverge.update import Audit, Auditor, audit

Look = Callable[[Loop], Audit | Auditor]


@dataclass(frozen=True)
class Bug:
    """A bug.

    Attributes:
        plant: Changes a loop before its gradient is made.
        codes: Any of these names it.
        look: Leaves the gradient and audits it; several updates where one cannot tell.
        critics: Whether it can also be planted in critics.
        beside: Codes that are as right.
        is_in_gradient: Whether one gradient shows it, so that a batch in which it changes nothing
            shows nothing.
    """

    plant: Callable[[Loop], None]
    codes: tuple[str, ...]
    look: Look | None = None
    critics: bool = True
    beside: tuple[str, ...] = ()
    is_in_gradient: bool = True


def look_once(loop: Loop) -> Audit:
    """Leave a gradient and audit it."""
    loop.train().backward()
    return audit(loop.q_net, loop.shown, **loop.options())


def _set(**values: object) -> Callable[[Loop], None]:
    def plant(loop: Loop) -> None:
        for name, value in values.items():
            setattr(loop, name, value)

    return plant


def _use(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Loop], None]:
    def plant(loop: Loop) -> None:
        loop.used[name] = change(loop.shown[name])

    return plant


def _random_actions(loop: Loop) -> None:
    loop.used["actions"] = loop.draw()["actions"]


def _rebound(loop: Loop) -> None:
    loop.bootstraps_from = loop.other_target()


def _noisy(loop: Loop) -> None:
    loop.used["rewards"] = loop.shown["rewards"] + torch.randn(loop.num_rows)


def _weights(loop: Loop) -> None:
    loop.used["weights"] = torch.rand(loop.num_rows) * 0.9 + 0.1


def _weights_ignored(loop: Loop) -> None:
    loop.shown["weights"] = torch.rand(loop.num_rows) * 0.9 + 0.1
    loop.used["weights"] = torch.ones(loop.num_rows)


def _look_detached(loop: Loop) -> Audit:
    loop.train().backward()
    next(loop.q_net.parameters()).grad = None
    return audit(loop.q_net, loop.shown, **loop.options())


def _look_left_out(loop: Loop) -> Audit:
    loop.train().backward()
    some = list(loop.q_net.parameters())[:-1]
    told = loop.options() | {"optimizer": torch.optim.SGD(some, 0.1)}
    return audit(loop.q_net, loop.shown, **told)


def _look_accumulated(loop: Loop) -> Audit:
    loop.train()
    shown, loop.shown = loop.shown, loop.draw()
    loop.backward()
    loop.shown = shown
    loop.backward()
    return audit(loop.q_net, loop.shown, **loop.options())


def _look_at_several(loop: Loop) -> Auditor:
    auditor = Auditor(loop.q_net, every=1, **loop.options())
    loop.train()
    for _ in range(4):  # the first is sound: there is nothing old in it yet
        loop.shown = loop.draw()
        loop.backward()
        auditor.look(loop.shown)
        loop.optimizer.step()
    return auditor


def _look_at_still_target(loop: Loop) -> Auditor:
    auditor = Auditor(loop.q_net, every=10, target_patience=60, **loop.options())
    for _ in range(80):
        loop.optimizer.zero_grad()
        loop.backward()
        auditor.look(loop.shown)
        loop.optimizer.step()
    return auditor


def _look_with_penalty(loop: Loop) -> Audit:
    loop.train()
    squares = [p.square().sum() for p in loop.q_net.parameters()]
    loop.backward(extra=1e-2 * torch.stack(squares).sum())
    return audit(loop.q_net, loop.shown, **loop.options())


def _look_with_cql(loop: Loop) -> Audit:
    loop.train()
    Q = loop.q_net(loop.shown["observations"])
    chosen = Q.gather(1, loop.shown["actions"][:, None]).squeeze(1)
    loop.backward(extra=0.5 * (Q.logsumexp(1) - chosen).mean())
    return audit(loop.q_net, loop.shown, **loop.options())


def _look_with_auxiliary(loop: Loop) -> Audit:
    loop.train()
    other = loop.draw()
    values = loop.values(loop.q_net, other["observations"], other["actions"])
    loop.backward(extra=0.5 * torch.stack(values).square().mean())
    return audit(loop.q_net, loop.shown, **loop.options())


def _look_clipped(loop: Loop) -> Audit:
    loop.train().backward()
    norm = nn.utils.clip_grad_norm_(loop.q_net.parameters(), 1e9)
    nn.utils.clip_grad_norm_(loop.q_net.parameters(), 0.4 * float(norm))
    return audit(loop.q_net, loop.shown, loss=loop.loss.split(",")[0], **loop.options())


def _look_clamped(loop: Loop) -> Audit:
    loop.train().backward()
    largest = max(float(p.grad.abs().max()) for p in loop.q_net.parameters() if p.grad is not None)
    nn.utils.clip_grad_value_(loop.q_net.parameters(), 0.3 * largest)
    return audit(loop.q_net, loop.shown, **loop.options())


def _still(loop: Loop) -> None:
    loop.shown["observations"] = loop.shown["next_observations"]


NO_TRACE = 1e-6  # of |g|
OLD_OR_OTHER = ("gradients_accumulate", "other_loss")
BUGS: dict[str, Bug] = {
    "terminals bootstrapped": Bug(_set(masks=False), ("terminals_bootstrapped",)),
    "truncation taken for termination": Bug(_set(masks_truncated=True), ("truncations_masked",)),
    "wrong γ": Bug(_set(discount=0.9), ("discount_differs",)),
    "γ missing": Bug(_set(discount=1.0), ("discount_differs",)),
    "nothing bootstraps": Bug(_set(discount=0.0), ("discount_differs",)),
    "γ applied three times": Bug(_set(discount=0.97**3), ("discount_differs",)),
    "actions of the next row": Bug(_use("actions", lambda a: a.roll(-1, 0)), ("wrong_actions",)),
    "action plus one": Bug(_use("actions", lambda a: (a + 1) % 3), ("wrong_actions",), None, False),
    "random actions": Bug(_random_actions, ("wrong_actions",), None, False),
    "gradients not zeroed, one look": Bug(_set(), OLD_OR_OTHER, _look_accumulated),
    "gradients not zeroed, four looks": Bug(
        _set(), ("gradients_accumulate",), _look_at_several, is_in_gradient=False
    ),
    "broadcast": Bug(_set(broadcasts=True), ("broadcast",)),
    "rewards clipped": Bug(_use("rewards", lambda r: r.clamp(-1, 1)), ("rewards_differ",)),
    "rewards scaled": Bug(_use("rewards", lambda r: 0.1 * r), ("rewards_differ",)),
    "rewards of the row before": Bug(_use("rewards", lambda r: r.roll(1)), ("rewards_differ",)),
    "reward noise": Bug(_noisy, ("targets_differ", "rewards_differ")),
    "target never moves": Bug(
        _set(), ("target_never_moves",), _look_at_still_target, is_in_gradient=False
    ),
    "target re-bound": Bug(_rebound, ("bootstrap_differs",)),
    "bootstraps from the online network": Bug(_set(bootstrap="q"), ("bootstrap_differs",)),
    "no stop-gradient": Bug(
        _set(bootstrap="q", stops=False), ("no_stop_gradient",), None, False, ("bootstrap_differs",)
    ),
    "successors of another row": Bug(
        _use("next_observations", lambda s: s.roll(1, 0)), ("successors_differ",)
    ),
    "parameter without gradient": Bug(
        _set(), ("parameters_without_gradient",), _look_detached, is_in_gradient=False
    ),
    "parameter of no group": Bug(
        _set(), ("parameters_without_gradient",), _look_left_out, is_in_gradient=False
    ),
    "weight penalty": Bug(_set(), ("other_loss",), _look_with_penalty),
    "conservative loss": Bug(_set(), ("other_loss",), _look_with_cql, False),
    "auxiliary loss": Bug(_set(), OLD_OR_OTHER, _look_with_auxiliary),
    "weights not shown": Bug(_weights, ("weighted",)),
    "weights shown, not used": Bug(_weights_ignored, ("weighted",)),
    "clipped by norm": Bug(_set(), ("clipped",), _look_clipped),
    "clipped by value": Bug(_set(), ("clipped",), _look_clamped),
    "state never updated": Bug(_still, ("state_never_updated",), is_in_gradient=False),
}  # fmt: skip


def codes_of(loop: Loop, bug: Bug) -> list[str]:
    """Return the codes of what is found in a loop with a bug."""
    bug.plant(loop)
    return [f.code for f in (bug.look or look_once)(loop).findings]


def leaves_no_trace(loop: Loop, bug: Bug) -> bool:
    """Return whether the gradient that was looked at is that of the sound loop to within 1e-6."""
    if not bug.is_in_gradient:
        return False
    parameters = list(loop.q_net.parameters())
    g = torch.cat([p.grad.reshape(-1) for p in parameters if p.grad is not None])
    sound = torch.autograd.grad(loop.sound().objective(loop.shown), parameters)
    return float((g - torch.cat([x.reshape(-1) for x in sound])).norm()) <= NO_TRACE * float(
        g.norm()
    )
