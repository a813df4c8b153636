"""The arguments of a diagnosis in another dtype, on copies: float64 shows what float32 rounds away.

Adam's velocities, a slow target and directions that hardly move shrink by 1 − 1e-3 or less a step;
kernels in float32 are known to about 1e-6 of their largest entry, which can hide these.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from qdiverge.batch_reading import as_transitions
from qdiverge.diagnostics.critics import Policy, next_actions
from qdiverge.errors import InvalidValueError, shown
from qdiverge.kernel.network import Networks, casting, each_of, first_parameter
from qdiverge.thing_checks import check_callable
from qdiverge.transitions import without_ends
from qdiverge.update.copies import copies_of

DTYPES = torch.float32, torch.float64


@contextmanager
def in_dtype(
    dtype: torch.dtype | None,
    q_net: Networks,
    batch: Any,
    target: Networks | None,
    optimizer: torch.optim.Optimizer | None,
    policy: Policy | None,
) -> Iterator[tuple[Networks, Networks | None, torch.optim.Optimizer | None, Policy | None]]:
    """Give copies of the networks and the optimiser in ``dtype``; None: the very ones.

    A network's own casts to float32 go to ``dtype`` meanwhile. The policy is asked beforehand, as
    it is, about the successors of ``batch``; what stands for it gives that answer.

    Raises:
        InvalidValueError: it is neither float32 nor float64.

    >>> net = torch.nn.Linear(1, 1)
    >>> with in_dtype(torch.float64, net, {}, None, None, None) as (copy, *_):
    ...     copy.weight.dtype, net.weight.dtype
    (torch.float64, torch.float32)
    """
    if dtype is None:
        yield q_net, target, optimizer, policy
        return
    if dtype not in DTYPES:
        raise InvalidValueError("dtype must be torch.float32 or torch.float64", got=shown(dtype))
    has_target = target is not None and target is not q_net
    online, slow = each_of(q_net), each_of(target, "target") if has_target else []
    copies = copies_of(online, slow, [] if optimizer is None else [optimizer], dtype)
    own: Any = copies.networks if len(online) > 1 else copies.networks[0]
    own_target: Any = copies.targets if len(slow) > 1 else next(iter(copies.targets), None)

    answer = policy and _cast(policy, batch, first_parameter(online), dtype)
    with casting(dtype):
        yield own, own_target, next(iter(copies.optimizers), None), answer


def _cast(policy: Policy, batch: Any, like: Tensor, dtype: torch.dtype) -> Policy:
    check_callable("policy", policy, "a function of s'")
    rows = without_ends(as_transitions(batch))
    step = next_actions(policy, rows.next_observations.to(like))
    actions = step.actions.to(dtype)
    log_probs = None if step.log_probs is None else step.log_probs.to(dtype)
    return lambda _: actions if log_probs is None else (actions, log_probs)
