"""A test that hangs ends at its limit and says where it was, in its threads and processes too.

The limits are those of pytest-timeout, which interrupts the main thread. Here the account is added
of whatever else the test had begun, children are ended, and a process whose main thread no longer
runs any Python ends with a trace of it.
"""

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType

import pytest
import pytest_timeout
from _pytest.faulthandler import fault_handler_stderr_fd_key

SLOW = 3_600.0  # seconds, the limit of a test that is marked as slow and has none of its own
STUCK = 30.0  # seconds after its limit, when a main thread that has not heeded it is given up
HUNG = pytest.StashKey[bool]()
WAITED_FOR = pytest.StashKey[list[subprocess.Popen]]()


def pytest_configure(config: pytest.Config) -> None:
    """Let each Python process that a test starts say where it is when it is aborted."""
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(
    item: pytest.Item, settings: pytest_timeout.Settings
) -> Generator[None, object, object]:
    done = yield
    if settings.method == "signal":
        old = set(descendants(os.getpid()))

        def end(signum: int, frame: FrameType | None) -> None:
            __tracebackhide__ = True
            if pytest_timeout.is_debugging():
                return
            item.config.stash[HUNG] = True
            item.add_report_section("call", "stacks of other threads", stacks())
            abort(set(descendants(os.getpid())) - old)
            item.stash[WAITED_FOR] = processes = waited_for(frame)
            item.add_report_section("call", "pipes of processes", "".join(map(unread, processes)))
            pytest.fail(f"it took more than its limit of {settings.timeout:g} s")

        signal.signal(signal.SIGALRM, end)
        faulthandler.dump_traceback_later(
            settings.timeout + STUCK, exit=True, file=item.config.stash[fault_handler_stderr_fd_key]
        )
    return done


@pytest.hookimpl(wrapper=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> Generator[None, object, object]:
    faulthandler.cancel_dump_traceback_later()
    for process in item.stash.get(WAITED_FOR, []):
        process.poll()  # it has ended, and nobody else may ask
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Do not wait for a thread that hangs."""
    if config.stash.get(HUNG, False) and any(
        not thread.daemon
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
    ):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def stacks() -> str:
    """Where each thread but this one is."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
        if ident != threading.get_ident()
    )


def descendants(pid: int) -> Iterator[int]:
    """The processes below one, where /proc tells, but for multiprocessing's bookkeeper."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, read(task).split()):
            yield from descendants(child)
            if "resource_tracker" not in read(Path(f"/proc/{child}/cmdline")):
                yield child


def read(path: Path) -> str:
    """A file of a process; nothing of one that has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def abort(processes: set[int]) -> None:
    """End them; those of Python say where they are, each on its standard error."""
    for number in (signal.SIGABRT, signal.SIGKILL):
        for pid in processes:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        end = time.monotonic() + 2.0
        while any(read(Path(f"/proc/{pid}/cmdline")) for pid in processes):
            if time.monotonic() > end:
                break
            time.sleep(0.05)


def waited_for(frame: FrameType | None) -> list[subprocess.Popen]:
    """The processes that the functions under way know."""
    found = {}
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if isinstance(value, subprocess.Popen):
                found[value.pid] = value
        frame = frame.f_back
    return list(found.values())


def unread(process: subprocess.Popen) -> str:
    """What its pipes still hold."""
    text = f"{process.args!r}:\n"
    for pipe in (process.stdout, process.stderr):
        if pipe is not None and not pipe.closed:
            os.set_blocking(pipe.fileno(), False)
            try:
                text += os.read(pipe.fileno(), 1 << 20).decode(errors="replace")
            except BlockingIOError:
                continue
    return text
