"""Processes to be killed with -9, each forked from a server that has imported what they run."""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from qdiverge.runs.checkpoints import CheckpointStore

PATIENCE = 600  # seconds, for a machine that is busy with other things
LOOK = 0.002  # seconds between looks at a folder
PRELOADED = ["qdiverge.cli.train", "qdiverge.cli.resume", "experiments.learning.training"]


def forked(function: Callable[..., Any], *arguments: Any, log: Path) -> BaseProcess:
    """Start a process of its own; what it prints goes to the end of a file."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run, args=(function, arguments, log))
    process.start()
    return process


def _run(function: Callable[..., Any], arguments: tuple[Any, ...], log: Path) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = 1
    try:
        code = int(function(*arguments) or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def command(arguments: list[str]) -> int:
    """Run a command of qdiverge in this process."""
    from qdiverge.cli import main

    return main(arguments)


def complete(out: Path) -> set[int]:
    """Return the steps of a run's checkpoints that are whole."""
    store = CheckpointStore(out / "checkpoints")
    for step in store.steps():
        store.verify(step)
    return set(store.steps())


def kill_amid(
    process: BaseProcess, out: Path, *, step: int | None = None, by_child: bool = False
) -> bool:
    """Kill a process that writes checkpoints at a random moment; whether it was still running.

    It has made one more checkpoint, that of ``step`` if given; and then either some time has
    passed, or the next one is just being written.

    Args:
        process: As ``forked`` returned it; it has ended in the end.
        out: Its run's folder.
        step: Of the checkpoint to wait for; None: any new one.
        by_child: Whether to kill a child of it instead, such as a worker, until it gives up.
    """
    folder = out / "checkpoints"
    store, before = CheckpointStore(folder), set(CheckpointStore(folder).steps())
    if step is None:
        wait_while(process, lambda: set(store.steps()) <= before)
    else:
        wait_while(process, lambda: step not in store.steps())
    if random.random() < 0.5:
        time.sleep(random.uniform(0.0, 0.3))
    else:
        wait_while(process, lambda: not list(folder.glob(".*.tmp")), LOOK / 10)
        time.sleep(random.uniform(0.0, 0.01))
    assert process.pid is not None
    while process.is_alive():
        victims = children(process.pid) if by_child else [process.pid]
        if victims:
            with suppress(ProcessLookupError):
                os.kill(random.choice(victims), signal.SIGKILL)
        process.join(0.5 if by_child else PATIENCE)
    return process.exitcode != 0


def wait_while(process: BaseProcess, is_so: Callable[[], bool], period: float = LOOK) -> None:
    """Wait until something is so no more, or the process has ended."""
    deadline = time.monotonic() + PATIENCE
    while process.is_alive() and is_so():
        assert time.monotonic() < deadline
        time.sleep(period)


def children(pid: int) -> list[int]:
    """Return the processes whose parent ``pid`` is."""
    numbers = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [each for each in numbers if _parent(each) == pid]


def _parent(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])
