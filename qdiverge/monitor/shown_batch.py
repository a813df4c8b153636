"""What the monitor was shown of one update: a copy of its transitions, and of what goes with them.

Of a critic's target the loop alone knows a' where it draws or smooths it. So that nothing is drawn
again, the loop's own calls of the target network and of the policy are heard while the update lasts
(:mod:`qdiverge.monitor.listening`), and a' is what the target network was asked about at s'.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.batch_reading import (
    TRUNCATED,
    as_transitions,
    field_of,
    row_discounts,
    row_weights,
)
from qdiverge.monitor.listening import listen
from qdiverge.transitions import SarsaTransitions

Shown = dict[str, Tensor]  # what ``qd.audit`` reads of a batch


def copy_of(data: Any) -> Shown:
    """Return what an audit reads of a batch, sharing no memory with it.

    >>> s = torch.zeros(2, 1)
    >>> batch = {"obs": s, "act": torch.zeros(2).long(), "rew": s[:, 0], "obs_next": s,
    ...          "done": s[:, 0], "is_weights": torch.ones(2)}
    >>> sorted(copy_of(batch))
    ['actions', 'next_observations', 'observations', 'rewards', 'terminated', 'weights']
    """
    batch = as_transitions(data)
    shown = {name: value.detach().clone() for name, value in vars(batch.plain()).items()}
    if isinstance(batch, SarsaTransitions):
        shown["next_actions"] = batch.next_actions.detach().clone()
    others = {
        "weights": row_weights(data),
        "discounts": row_discounts(data),
        "truncated": _flags(data),
        "next_log_probs": field_of(data, "next_log_probs"),
    }
    return shown | {k: v.detach().clone() for k, v in others.items() if v is not None}


def joined(parts: Sequence[Shown]) -> Shown | None:
    """Return the parts of one update as a batch; None where they do not hold the same fields."""
    if any(part.keys() != parts[0].keys() for part in parts):
        return None
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _flags(data: Any) -> Tensor | None:
    flags = field_of(data, *TRUNCATED)
    is_one_a_row = flags is not None and flags.numel() == len(as_transitions(data))
    return flags.reshape(-1).float() if flags is not None and is_one_a_row else None


class Ears:
    """Hears a' and log π(a'|s') of one update, in the loop's own calls.

    Args:
        target: The target of the first critic, as the loop calls it.
        policy: s' → a' or (a', log π); heard where it is a method of a module or an agent.
        next_observations: s', [N, ...].
    """

    def __init__(self, target: nn.Module | None, policy: Any, next_observations: Tensor) -> None:
        self._s = next_observations
        self.next_actions: Tensor | None = None
        self._of_policy: tuple[Tensor, Tensor] | None = None
        self._endings: list[Callable[[], None]] = []
        if target is not None:
            self._endings.append(listen(target, "forward", self._hear_target))
        owner, name = getattr(policy, "__self__", None), getattr(policy, "__name__", "")
        if isinstance(policy, nn.Module):
            owner, name = policy, "forward"
        if owner is not None and owner is not target and callable(getattr(type(owner), name, None)):
            self._endings.append(listen(owner, name, self._hear_policy))

    def close(self) -> Shown:
        """Hear no more; return what was heard, for the batch."""
        while self._endings:
            self._endings.pop()()
        if (actions := self.next_actions) is None:
            return {}
        heard = {"next_actions": actions}
        if self._of_policy is not None and torch.equal(self._of_policy[0], actions):
            heard["next_log_probs"] = self._of_policy[1]
        return heard

    def _hear_target(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with suppress(Exception):  # such as a batch of torch.func's, which has no rows to compare
            s, a = [*args, *kwargs.values()]
            if self._is_next(s) and isinstance(a, Tensor):
                self.next_actions = a.detach().clone()
        return method(*args, **kwargs)

    def _hear_policy(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        answer = method(*args, **kwargs)
        with suppress(Exception):
            if any(map(self._is_next, [*args, *kwargs.values()])):
                a, log_probs = answer[0].detach(), answer[1].detach()
                if log_probs.numel() == len(self._s):
                    self._of_policy = a.clone(), log_probs.reshape(-1).clone()
        return answer

    def _is_next(self, value: Any) -> bool:
        s = self._s
        return (
            isinstance(value, Tensor)
            and value.shape == s.shape
            and value.device == s.device
            and bool((value == s).all())
        )
