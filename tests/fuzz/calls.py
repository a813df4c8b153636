"""One call with something hostile in it, and what may not come of it."""

import copy
import os
import random
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from qdiverge.errors import QDivergeError
from tests.fuzz.door import Arguments, Door
from tests.fuzz.hostile import Raising, drawn

HERE = Path(__file__).resolve().parents[2]
LONG = 60.0  # seconds of the processor's time: a call that takes longer hangs


class Hangs(BaseException):
    """A call that does not end."""


@dataclass
class Tally:
    """What came of many calls.

    Attributes:
        num_calls: How many.
        named: That ended with an error of qdiverge's.
        faults: Place and kind of what may not be → how often, and a first example.
    """

    num_calls: int = 0
    named: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, fault: str, example: str) -> None:
        self.faults[fault] += 1
        self.examples.setdefault(fault, example)

    def __str__(self) -> str:
        lines = [f"{n} × {fault}\n    {self.examples[fault]}" for fault, n in
                 self.faults.most_common()]  # fmt: skip
        return "\n".join([f"{self.num_calls} calls, {self.named} named errors", *lines])


@st.composite
def arguments(draw: st.DrawFn, door: Door, folder: Path) -> tuple[Arguments, str]:
    """Arguments of a door of which one or two are hostile, and what these are."""
    given = door.given(folder)
    told = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        name = draw(st.sampled_from(sorted(set(given) - {"folder"} or given)))
        holder: Any = given
        key: Any = name
        while isinstance(holder[key], dict | list) and holder[key] and draw(st.booleans()):
            holder = holder[key]
            keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
            key = draw(st.sampled_from(list(keys)))
            name = f"{name}[{key!r}]"
        what, make = draw(drawn(holder[key]))
        try:
            value = make(holder[key])
        except Exception:  # this cannot be made of that
            what, value = "an object", object()
        is_many = isinstance(value, int | float) and not abs(value) <= 50
        if key in door.counts and is_many:
            what, value = "-1", -1
        holder[key] = value
        told.append(f"{name} = {what}")
    return given, ", ".join(told)


def fuzzed(data: st.DataObject, name: str, door: Door, tally: Tally) -> None:
    """Make one call, and note what may not come of it."""
    with tempfile.TemporaryDirectory() as place, inside(place):
        folder = Path(place)
        torch.manual_seed(0)
        given, told = data.draw(arguments(door, folder))
        before = State.of(given, folder)
        tally.num_calls += 1
        raised: BaseException | None = None
        try:
            with warnings.catch_warnings(), ended():
                warnings.simplefilter("ignore")
                door.call(**given)
        except QDivergeError as error:
            raised = error
            tally.named += 1
            if not str(error).strip():
                tally.note(f"{name}: an empty message", told)
        except (Exception, Hangs) as error:
            raised = error
            tally.note(
                f"{name}: {type(error).__name__} at {place_of(error)}", f"{told}: {say(error)}"
            )
        if raised is not None or not door.moves:
            now = State.of(given, folder)
            for changed in before.differences(now, raised is not None and not door.moves):
                tally.note(f"{name}: changed {changed}", f"{told}: {say(raised)}")


def say(error: BaseException | None) -> str:
    try:
        return "no error" if error is None else repr(str(error)[:160])
    except Exception:
        return "an error without words"


def place_of(error: BaseException) -> str:
    """The last line of qdiverge's that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/qdiverge/" in f.filename or "/analysis/" in f.filename]
    if not ours:
        return "the call itself: " + str(frames[-1].name)
    return f"{os.path.relpath(ours[-1].filename, HERE)}:{ours[-1].lineno} {ours[-1].name}"


@contextmanager
def inside(place: str) -> Any:
    """Work in a folder of its own: a file that is made by a relative name is found there."""
    before = os.getcwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def ended() -> Any:
    """End what does not end by itself: by the time of the processor, not of the clock."""

    def end(*_: object) -> None:
        raise Hangs

    old = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


@dataclass
class State:
    """What a call may not change."""

    shared: dict[str, Any]
    things: list[tuple[str, Any, Any]]  # what it is, the thing, its content

    @classmethod
    def of(cls, given: Arguments, folder: Path) -> "State":
        shared = {
            "torch's generator": torch.get_rng_state().numpy().tobytes(),
            "numpy's generator": repr(np.random.get_state()),  # noqa: NPY002
            "Python's generator": random.getstate(),
            "whether gradients are recorded": torch.is_grad_enabled(),
            "the default dtype": torch.get_default_dtype(),
            "the default device": torch.get_default_device(),
            "determinism": torch.are_deterministic_algorithms_enabled(),
            "threads": torch.get_num_threads(),
            "autocast": torch.is_autocast_enabled("cpu"),
            "inference mode": torch.is_inference_mode_enabled(),
            "the working directory": os.getcwd(),
            "numpy's errors": np.geterr(),
            "files": sorted(str(p.relative_to(folder)) for p in folder.rglob("*")),
        }
        return cls(shared, [(kind, thing, content(thing)) for kind, thing in found(given)])

    def differences(self, other: "State", has_failed: bool) -> list[str]:
        names = [name for name in self.shared if has_failed or name != "files"]
        told = [name for name in names if self.shared[name] != other.shared[name]]
        return told + [kind for kind, thing, old in self.things if not same(old, content(thing))]


def found(value: Any, depth: int = 0) -> list[tuple[str, Any]]:
    """Every network, optimiser, tensor and array among arguments."""
    if isinstance(value, Raising) or depth > 4:
        return []
    for kind, types in (("a network", nn.Module), ("an optimiser", torch.optim.Optimizer),
                        ("a tensor", Tensor), ("an array", np.ndarray)):  # fmt: skip
        if isinstance(value, types):
            return [(kind, value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [each for part in value for each in found(part, depth + 1)]
    return []


def content(thing: Any) -> Any:
    """A copy of what a thing holds."""
    if isinstance(thing, nn.Module):
        parts = [
            (name, m.training, len(m._forward_hooks), len(m._forward_pre_hooks),
             len(m._backward_hooks))
            for name, m in thing.named_modules()
        ]  # fmt: skip
        named = [*thing.named_parameters(), *thing.named_buffers()]
        held = [(name, p.requires_grad, content(p), content(p.grad)) for name, p in named]
        return parts, held
    if isinstance(thing, torch.optim.Optimizer):
        hooks = len(thing._optimizer_step_pre_hooks), len(thing._optimizer_step_post_hooks)
        groups = [{k: content(v) for k, v in g.items() if k != "params"}
                  for g in thing.param_groups]  # fmt: skip
        return hooks, groups, [content(list(s.items())) for s in thing.state.values()]
    if isinstance(thing, nn.parameter.UninitializedParameter):
        return "uninitialised"
    if isinstance(thing, Tensor):
        if thing.layout is not torch.strided or thing.is_meta or thing.is_nested:
            return str(type(thing))
        return thing.detach().clone()
    if isinstance(thing, np.ndarray):
        return thing.copy()
    if isinstance(thing, list | tuple):
        return [content(each) for each in thing]
    return thing if isinstance(thing, int | float | str | type(None)) else copy.copy(thing)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.is_quantized:
            return True
        return one.dtype == other.dtype and _bytes(one) == _bytes(other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    return one is other or one == other or (one != one and other != other)


def _bytes(tensor: Tensor) -> bytes:
    plain = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
