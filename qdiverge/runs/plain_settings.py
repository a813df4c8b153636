"""Settings as a run's file keeps them: what people put into a configuration, as plain JSON."""

import dataclasses
import enum
import math
import os
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.thing_checks import type_of

DEEPEST = 32  # settings within settings
MOST = 1_000  # entries of an array that are kept; of a larger one the shape is said
LARGEST = 1 << 256  # of an integer; a larger one is kept as text
KINDS = "numbers, text, paths, dtypes, enums, functions, arrays, and lists, sets and dicts of these"


def plain_settings(name: str, settings: Any) -> dict[str, Any]:
    """Return settings as a dict that JSON holds.

    Taken are a mapping (OmegaConf's too), a dataclass, an ``argparse.Namespace`` or any object of
    attributes, and None. NaN and infinities become text, as in a run's log; sets are sorted; a
    function or a class goes by its name.

    Args:
        name: The argument, for messages.
        settings: Left as they are.

    Raises:
        InvalidTypeError: there is something in them that no file can keep.
        InvalidValueError: they hold themselves.

    >>> plain_settings("config", {"lr": np.float32(0.5), 3: {"b", "a"}, "net": torch.nn.ReLU})
    {'lr': 0.5, '3': ['a', 'b'], 'net': 'torch.nn.modules.activation.ReLU'}
    """
    if settings is None:
        return {}
    entries = _entries(settings)
    if entries is None:
        raise InvalidTypeError(
            f"{name} must be a dict, a dataclass or a namespace", got=type_of(settings)
        )
    plain: dict[str, Any] = _of_entries(name, entries, 1)
    return plain


def _entries(value: Any) -> Mapping[Any, Any] | None:
    """Return the entries of a mapping, a dataclass, a named tuple or a namespace; None: no such."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        entries: Mapping[Any, Any] = value._asdict()
        return entries
    is_namespace = type(value).__name__.endswith("Namespace")
    return vars(value) if is_namespace else None


def _of_entries(name: str, entries: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain = {}
    for key, value in entries.items():
        if not isinstance(key, str | int | float | bool | enum.Enum | np.generic | type(None)):
            raise InvalidTypeError(f"the keys of {name} must be text", got=type_of(key))
        text = _text(key.name if isinstance(key, enum.Enum) else str(key))
        plain[text] = _plain(f"{name}[{text!r}]", value, depth + 1)
    return plain


def _plain(name: str, value: Any, depth: int) -> Any:
    """Return what JSON holds of a value."""
    if depth > DEEPEST:
        raise InvalidValueError(
            f"settings must lie at most {DEEPEST} deep", got=f"{name[:80]}…, or one in itself"
        )
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        inner = value.value
        return _plain(name, inner, depth) if isinstance(inner, str | int | float) else value.name
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if abs(value) < LARGEST else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, np.generic | np.ndarray | Tensor):
        return _of_array(name, value, depth)
    if isinstance(value, torch.dtype | torch.device | np.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, os.PathLike):
        return _text(os.fsdecode(value))
    if (entries := _entries(value)) is not None:
        return _of_entries(name, entries, depth)
    if isinstance(value, Set):
        each = [_plain(f"{name}[…]", one, depth + 1) for one in value]
        return sorted(each, key=lambda one: (str(type(one)), str(one)))
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(f"{name}[{place}]", one, depth + 1) for place, one in enumerate(value)]
    if callable(value) and hasattr(value, "__qualname__"):
        return _text(f"{value.__module__}.{value.__qualname__}")
    raise InvalidTypeError(
        f"{name} must be something that a file can keep: {KINDS}",
        got=type_of(value),
        remedy="Pass its text, or leave it out.",
    )


def _of_array(name: str, value: np.generic | np.ndarray | Tensor, depth: int) -> Any:
    num = value.numel() if isinstance(value, Tensor) else value.size
    shape = f"{list(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    is_kept = num <= MOST and not (
        isinstance(value, Tensor) and (value.is_meta or value.layout is not torch.strided)
    )
    if not is_kept:
        return f"an array {shape}"
    numbers = value.tolist()
    if isinstance(numbers, complex | bytes) or value.dtype in (torch.complex64, torch.complex128):
        return str(numbers)
    try:
        return _plain(name, numbers, depth)
    except InvalidTypeError:
        return f"an array {shape}"


def _text(text: str) -> str:
    """Return text that UTF-8 holds: half a surrogate pair becomes a question mark."""
    return str(text).encode("utf-8", "replace").decode("utf-8")
