"""A training loop in a process of its own, which works only while it is told to.

In one process the loops would share an allocator, and what one of them asks of it helps the others.
"""

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from experiments.speed.loops import Ours, contenders
from experiments.speed.rounds import synchronise
from qdiverge.agents.settings.dqn_config import DQNConfig


class LoopError(Exception):
    """A loop that failed, with its own words."""


class Remote:
    """The loop called ``name``, see ``loops.contenders``.

    Args:
        name: Its name there.
        config: The run.
        folder: Of the monitor's run.
    """

    def __init__(self, name: str, config: DQNConfig, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        arguments = theirs, name, config, folder
        self._process = spawn.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def advance(self, steps: int) -> tuple[float, float]:
        """Take agent steps; return the seconds of wall-clock and of processor time."""
        return self._ask("advance", steps)

    def facts(self) -> dict[str, Any]:
        """Return its agent steps, the bytes of its replay, and its monitor's account."""
        return self._ask("facts")

    def close(self) -> None:
        """End the process."""
        if self._process.is_alive():
            try:
                self._ask("close")
            except LoopError:
                self._process.terminate()
        self._process.join(timeout=30)

    def _ask(self, *request: Any) -> Any:
        try:
            self._connection.send(request)
            kind, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise LoopError("its process ended") from error
        if kind == "failed":
            raise LoopError(answer)
        return answer


def serve(connection: Connection, name: str, config: DQNConfig, folder: Path) -> None:
    """Make the loop and do as told, until told to close."""
    torch.set_num_threads(config.torch_threads or 1)
    try:
        (contender,) = (c for c in contenders(config, folder) if c.name == name)
        loop = contender.make()
        while True:
            request, *arguments = connection.recv()
            if request == "close":
                loop.close()
                connection.send(("done", None))
                return
            if request == "advance":
                wall, cpu = time.perf_counter(), time.process_time()
                loop.advance(*arguments)
                synchronise(config.device)
                answer: Any = time.perf_counter() - wall, time.process_time() - cpu
            else:
                answer = {"step": loop.step, "replay_bytes": loop.replay_bytes()}
                if isinstance(loop, Ours) and loop.monitor is not None:
                    answer["monitors_own_account"] = round(loop.monitor.overhead, 4)
            connection.send(("done", answer))
    except Exception as error:  # a peer may fail in any way; the table says how
        connection.send(("failed", f"{type(error).__name__}: {error}".splitlines()[0][:160]))
