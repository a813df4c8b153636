"""Copies of what an update changes: networks, their targets, optimisers; the originals stay."""

import copy
import copyreg
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import BuiltinMethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.kernel.network import module_of, unwrap

PIPES: tuple[Any, ...] = (Connection,)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True, eq=False)
class Copies:
    """What an update is made on.

    Attributes:
        networks: What is trained: a Q-network, or critics.
        targets: The networks that make the bootstrap target; () where there is none.
        optimizers: Theirs, holding the parameters of ``networks``.
        others: What else belongs to the update, such as a policy and its optimiser.
    """

    networks: tuple[nn.Module, ...]
    targets: tuple[nn.Module, ...]
    optimizers: tuple[torch.optim.Optimizer, ...]
    others: tuple[Any, ...] = ()


def copies_of(
    networks: Sequence[nn.Module],
    targets: Sequence[nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    dtype: torch.dtype | None = None,
    others: Sequence[Any] = (),
) -> Copies:
    """Copy them together, so that the optimisers' copies hold the networks' copies.

    Whoever listens is left behind: hooks on modules, parameters and optimisers (but those by which
    PyTorch itself normalises weights). Learning rates are what a scheduler has made of them.

    Args:
        networks: What is trained; unwrapped from torch.compile and DataParallel.
        targets: The networks that make the target.
        optimizers: Theirs.
        dtype: Of what is floating point, optimiser state included; None: as it is.
        others: Copied along: modules, methods of modules, optimisers of theirs.

    >>> net = nn.Linear(1, 1)
    >>> copies = copies_of([net], [], [torch.optim.SGD(net.parameters(), lr=0.1)], torch.float64)
    >>> copies.optimizers[0].param_groups[0]["params"][0] is copies.networks[0].weight
    True
    >>> net.weight.dtype, copies.networks[0].weight.dtype
    (torch.float32, torch.float64)
    """
    bare = [[unwrap(module)[0] for module in modules] for modules in (networks, targets)]
    parts = [m for other in others if (m := module_of(other)) is not None]
    with pipes_refused():
        memo = _kept_as_they_are(p for net in bare[0] + bare[1] + parts for p in net.modules())
        trained, slow = copy.deepcopy(bare, memo)
        steppers, others_copied = copy.deepcopy((list(optimizers), list(others)), memo)
        twins = zip([*optimizers, *others], [*steppers, *others_copied], strict=True)
        for optimizer, stepper in twins:
            if isinstance(optimizer, torch.optim.Optimizer):
                _copy_own_attributes(optimizer, stepper, memo)
    copied = [m for other in others_copied if (m := module_of(other)) is not None]
    for module in trained + slow + copied:
        for part in module.modules():
            for hooks in (getattr(part, name) for name in HOOKS):
                for key in [k for k, hook in hooks.items() if not _is_torchs(hook)]:
                    del hooks[key]
        if dtype is not None:
            module.to(dtype)
    if dtype is not None:
        for optimizer in steppers:
            for entries in optimizer.state.values():
                entries.update({k: t.to(dtype) for k, t in state_tensors(entries)})
    return Copies(tuple(trained), tuple(slow), tuple(steppers), tuple(others_copied))


@contextmanager
def pipes_refused() -> Iterator[None]:
    """Refuse to copy a pipe to another process.

    ``copy.deepcopy`` would make a second owner of the same file, which closes it once it is let go
    of, and so the run's own: environments in processes of their own would be lost to it.

    >>> from multiprocessing import Pipe
    >>> ours, theirs = Pipe()
    >>> with pipes_refused(): copy.deepcopy(ours)
    Traceback (most recent call last):
    TypeError: a pipe to another process cannot be copied
    """
    before = {kind: copyreg.dispatch_table.get(kind) for kind in PIPES}
    copyreg.dispatch_table.update(dict.fromkeys(PIPES, _refuse))
    try:
        yield
    finally:
        for kind, reduce in before.items():
            if reduce is None:
                del copyreg.dispatch_table[kind]
            else:
                copyreg.dispatch_table[kind] = reduce


def _refuse(_: Any) -> Any:
    raise TypeError("a pipe to another process cannot be copied")


def state_tensors(entries: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yield what an optimiser keeps of one parameter: its moments, not its count of steps."""
    for key, value in entries.items():
        if key != "step" and isinstance(value, Tensor) and value.is_floating_point():
            yield key, value


def _copy_own_attributes(optimizer: Any, twin: Any, memo: dict[int, Any]) -> None:
    """Copy what a class of somebody's own keeps, of which ``torch.optim.Optimizer`` pickles none.

    Not what stands in the way of a method of the class, such as the step that a scheduler counts.
    """
    for name, value in vars(optimizer).items():
        if name not in vars(twin) and not callable(getattr(type(optimizer), name, None)):
            setattr(twin, name, copy.deepcopy(value, memo))


def _kept_as_they_are(parts: Iterable[nn.Module]) -> dict[int, Any]:
    """Return a memo for deepcopy: hooks are not to be copied, results of a graph without it."""
    memo: dict[int, Any] = {}
    for part in parts:
        memo |= {id(hook): hook for name in HOOKS for hook in getattr(part, name).values()}
        for value in part.__dict__.values():
            for tensor in _results(value):
                memo[id(tensor)] = tensor.detach().clone()
            if isinstance(value, BuiltinMethodType) and not isinstance(value.__self__, ModuleType):
                # such as ``generator.random``, which deepcopy takes for a function
                memo[id(value)] = getattr(copy.deepcopy(value.__self__, memo), value.__name__)
    return memo


def _results(value: Any, depth: int = 3) -> Iterator[Tensor]:
    """Yield what a graph made, such as the parameters of a module's last distribution."""
    if isinstance(value, Tensor):
        if not value.is_leaf:
            yield value
    elif depth and not isinstance(value, nn.Module | type) and hasattr(value, "__dict__"):
        for inner in vars(value).values():
            yield from _results(inner, depth - 1)


def _is_torchs(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("torch.")
