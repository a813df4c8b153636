"""Call somebody's network or policy: what it raises, or returns amiss, is said with its shapes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from qdiverge.errors import (
    InvalidTypeError,
    InvalidValueError,
    QDivergeError,
    UnsupportedNetworkError,
    shown,
)
from qdiverge.tensor_checks import check_tensor
from qdiverge.thing_checks import type_of


@contextlib.contextmanager
def own_errors(
    who: str, *inputs: object, kind: type[QDivergeError] = UnsupportedNetworkError
) -> Iterator[None]:
    """Say of an error in a network's own code, or a policy's, what the network was called with.

    Args:
        who: What is called: "q_net".
        inputs: What it is called with.
        kind: What to raise.

    Raises:
        UnsupportedNetworkError: anything else was raised; that is its cause.

    >>> with own_errors("q_net", torch.zeros(5, 3)):
    ...     torch.nn.Linear(4, 2)(torch.zeros(5, 3))
    Traceback (most recent call last):
    qdiverge.errors.UnsupportedNetworkError: q_net must run without an error on float32 [5, 3];
    got RuntimeError: mat1 and mat2 shapes cannot be multiplied (5x3 and 4x2). ...
    """
    try:
        yield
    except (QDivergeError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of somebody's own code, it may be any
        seen = ", ".join(
            f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}"
            if isinstance(x, Tensor)
            else type_of(x)
            for x in inputs
        )
        raise kind(
            f"{who} must run without an error" + (f" on {seen}" if seen else ""),
            got=f"{type(error).__name__}: {shown(error).rstrip('.')}",
            remedy="Compare these shapes and dtypes with those that your loop passes to it."
            if seen
            else "Call it by itself to see where it comes from.",
        ) from error


def policy_parts(answer: Any, num_rows: int) -> tuple[Tensor, Tensor | None]:
    """Return a' [N, k] and, where it is there, log π(a'|s') [N] of what a policy returned.

    Raises:
        InvalidTypeError: it is neither a tensor nor a tuple of them.
        InvalidValueError: there is not one for each row.

    >>> policy_parts((torch.zeros(2, 1), torch.ones(2, 1)), 2)[1]
    tensor([1., 1.])
    """
    said = "a policy must return actions [N, k], or a pair: actions [N, k] and log π [N]"
    parts = answer if isinstance(answer, tuple | list) else (answer,)
    if not parts or not all(isinstance(part, Tensor) for part in parts[:2]):
        raise InvalidTypeError(said, got=type_of(answer))
    actions = check_tensor("what policy returns", parts[0])
    log_probs = check_tensor("log π of policy", parts[1]) if len(parts) > 1 else None
    if actions.ndim != 2 or len(actions) != num_rows or not actions.is_floating_point():
        raise InvalidValueError(
            said, got=f"{actions.dtype} {list(actions.shape)} for {num_rows} rows"
        )
    if log_probs is not None and log_probs.numel() != num_rows:
        raise InvalidValueError(
            said,
            got=f"actions {list(actions.shape)} and log π {list(log_probs.shape)}",
            remedy="Sum log π over the parts of an action.",
        )
    return actions, None if log_probs is None else log_probs.reshape(-1)
