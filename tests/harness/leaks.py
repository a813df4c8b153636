"""A test leaves what the whole process shares as it found it, and so may run in any order.

The global random generators start each test from seeds made of its name: its numbers are the same
alone, in any order and in any process. What else is shared is compared once the test and its
fixtures have ended. A difference fails that test, and is undone for the next.
"""

import builtins
import os
import random
import signal
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

STOPPING = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
STOPPING |= {"SIGHUP": signal.SIGHUP} if hasattr(signal, "SIGHUP") else {}  # not on Windows


class Shared(NamedTuple):
    """Something that belongs to the whole process."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def set_environment(values: dict[str, str]) -> None:
    for name in environment().keys() - values.keys():
        del os.environ[name]
    os.environ.update(values)


def drawing_settings() -> dict[str, Any]:
    matplotlib = sys.modules.get("matplotlib")
    settings = dict.items(matplotlib.rcParams) if matplotlib else ()  # dict's own read chooses none
    chosen = ("backend", "backend_fallback")  # once, by whoever draws first
    return {name: value for name, value in settings if name not in chosen}


def set_drawing_settings(values: dict[str, Any]) -> None:
    sys.modules["matplotlib"].rcParams.update(values)


def open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot else []


def close_figures(keep: list[int]) -> None:
    for number in set(open_figures()) - set(keep):
        sys.modules["matplotlib.pyplot"].close(number)


SHARED = {
    "torch's number of threads": Shared(torch.get_num_threads, torch.set_num_threads),
    "torch's default type": Shared(torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": Shared(torch.get_default_device, torch.set_default_device),
    "whether torch records gradients": Shared(torch.is_grad_enabled, torch.set_grad_enabled),
    "whether torch insists on determinism": Shared(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "numpy's handling of floating-point errors": Shared(np.geterr, lambda old: np.seterr(**old)),
    "numpy's printing": Shared(np.get_printoptions, lambda old: np.set_printoptions(**old)),
    "the working directory": Shared(os.getcwd, os.chdir),
    "the environment": Shared(environment, set_environment),
    "sys.path": Shared(lambda: list(sys.path), lambda old: sys.path.__setitem__(slice(None), old)),
    **{
        f"what {name} does": Shared(
            partial(signal.getsignal, number), partial(signal.signal, number)
        )
        for name, number in STOPPING.items()
    },
    "matplotlib's settings": Shared(drawing_settings, set_drawing_settings),
    "matplotlib's open figures": Shared(open_figures, close_figures),
}
BEFORE = pytest.StashKey[dict[str, Any]]()
NUM_MODULES = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Leave to pytest-randomly, where it is used, the order only."""
    if hasattr(config.option, "randomly_reset_seed"):
        config.option.randomly_reset_seed = False


def seed(text: str) -> None:
    """Start every global generator from a seed made of the text."""
    number = zlib.crc32(text.encode())
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002
    torch.manual_seed(number)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[BEFORE] = {name: shared.read() for name, shared in SHARED.items()}
    item.stash[NUM_MODULES] = len(sys.modules)
    seed(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """What several tests share does not depend on which of them comes first."""
    if fixturedef.scope == "function":
        return (yield)
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    seed(f"{fixturedef.baseid}::{fixturedef.argname}")
    try:
        return (yield)
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
        torch.set_rng_state(state[2])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    try:
        yield
    finally:
        vars(builtins).pop("_", None)  # where a doctest, as the prompt, keeps its last value


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    try:
        yield
    finally:
        changes = list(undone(item.stash.get(BEFORE, {}), item.stash.get(NUM_MODULES, 0)))
    if changes:
        pytest.fail("it left changed " + "; ".join(changes), pytrace=False)


def undone(state: dict[str, Any], num_modules: int) -> Iterator[str]:
    """Restore what has changed since, and say what it was; what imports set once is theirs."""
    has_imported = len(sys.modules) > num_modules
    for name, before in state.items():
        after = SHARED[name].read()
        if has_imported and isinstance(before, dict):
            before = {key: value for key, value in after.items() if key not in before} | before
        if after != before:
            SHARED[name].write(before)
            yield f"{name}, {difference(before, after)}"


def difference(before: Any, after: Any) -> str:
    if not isinstance(before, dict):
        return f"from {before!r} to {after!r}"
    keys = before.keys() | after.keys()
    return "at " + ", ".join(sorted(k for k in keys if before.get(k) != after.get(k)))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say how a run that failed is had again."""
    number = getattr(config.option, "randomly_seed", None)
    if exitstatus and isinstance(number, int):
        terminalreporter.write_line(f"This order again: --randomly-seed={number}")
