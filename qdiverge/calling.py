"""Call somebody's network or policy: what it raises, or returns amiss, is said with its shapes."""

from typing import Any, cast

import torch
from torch import Tensor

from qdiverge.errors import (
    CallError,
    InvalidTypeError,
    InvalidValueError,
    QDivergeError,
    shown,
)
from qdiverge.tensor_checks import check_tensor
from qdiverge.thing_checks import type_of


class own_errors:  # noqa: N801  (called like a function)
    """Say of an error in a network's own code, or a policy's, what the network was called with.

    Args:
        who: What is called: "q_net".
        inputs: What it is called with.

    Raises:
        CallError: an error was raised, of which that is the cause.

    >>> with own_errors("q_net", torch.zeros(5, 3)):
    ...     torch.nn.Linear(4, 2)(torch.zeros(5, 3))
    Traceback (most recent call last):
    qdiverge.errors.CallError: q_net must run without an error on float32 [5, 3];
    got RuntimeError: mat1 and mat2 shapes cannot be multiplied (5x3 and 4x2). ...
    """

    def __init__(self, who: str, *inputs: object) -> None:
        self.who, self.inputs = who, inputs

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, QDivergeError | torch.OutOfMemoryError):
            return
        if is_signal(error) and not isinstance(error, StopIteration):  # an iterator's end is none
            return
        seen = ", ".join(map(_kind, self.inputs))
        raise CallError(
            f"{self.who} must run without an error" + (f" on {seen}" if seen else ""),
            got=f"{type(error).__name__}: {shown(error).rstrip('.')}",
            remedy="Compare these shapes and dtypes with those that your loop passes to it."
            if seen
            else "Call it by itself to see where it comes from.",
        ) from error


def is_signal(raised: Exception) -> bool:
    """Return whether an exception is meant for the loop: by its name it is no error.

    Python has errors end in "Error" (PEP 8); what stops or prunes a run does not. What the system
    or a network connection refused is an error under any name.

    >>> class TrialPruned(Exception): pass
    >>> is_signal(TrialPruned()), is_signal(ValueError()), is_signal(Exception())
    (True, False, False)
    """
    is_error = type(raised).__name__.endswith(("Error", "Exception", "Warning"))
    return not is_error and not isinstance(raised, OSError)


def q_table(values: Any, num_rows: int) -> Tensor:
    """Return what a Q-network returned where it is a value for each action of each row, [N, A].

    Raises:
        InvalidTypeError: it is no tensor.
        InvalidValueError: its shape is another.
    """
    is_table = check_tensor("what q_net returns", values).ndim == 2 and values.shape[1] > 0
    if not is_table or len(values) != num_rows or not values.is_floating_point():
        raise InvalidValueError(
            f"q_net must return Q-values of shape [{num_rows}, A]",
            got=_kind(values),
            remedy="A critic takes floating-point actions [N, k].",
        )
    return cast(Tensor, values)


def critic_column(values: Any, num_rows: int) -> Tensor:
    """Return what a critic returned, [N] or [N, 1], as [N].

    Raises:
        InvalidTypeError: it is no tensor.
        InvalidValueError: it is not one floating-point value for each row.
    """
    check_tensor("what a critic returns", values)
    if values.numel() != num_rows or values.ndim > 2 or not values.is_floating_point():
        raise InvalidValueError(
            f"a critic must return one value for each pair, [{num_rows}] or [{num_rows}, 1]",
            got=_kind(values),
            remedy="A network with a value for each action takes integer actions [N].",
        )
    return cast(Tensor, values.reshape(-1))


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
        raise InvalidValueError(said, got=f"{_kind(actions)} for {num_rows} rows")
    if log_probs is not None and log_probs.numel() != num_rows:
        raise InvalidValueError(
            said,
            got=f"actions {list(actions.shape)} and log π {list(log_probs.shape)}",
            remedy="Sum log π over the parts of an action.",
        )
    return actions, None if log_probs is None else log_probs.reshape(-1)


def _kind(value: object) -> str:
    if not isinstance(value, Tensor):
        return type_of(value)
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
