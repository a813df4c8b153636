"""Training loops that can be advanced a number of agent steps at a time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

import qdiverge as qd
from qdiverge.agents.records import UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.diagnostics import Cost

SETTINGS = DQNConfig(
    environment="ALE/Pong-v5",
    repeat_action_probability=0.0,
    buffer_size=20_000,  # transitions
    learning_starts=1_000,  # agent steps; not timed
    train_period=4,  # agent steps
    target_period=1_000,  # agent steps
    batch_size=32,
    learning_rate=1e-4,
    epsilon_start=0.05,
    epsilon_end=0.05,  # in all loops, so that all ask their network equally often
)


class Loop(Protocol):
    """A training loop."""

    @property
    def step(self) -> int:
        """Return the agent steps taken."""

    def advance(self, steps: int) -> None:
        """Take agent steps, with the updates due."""

    def close(self) -> None:
        """Stop."""


class Weighed(Loop, Protocol):
    """One whose replay can be weighed."""

    def replay_bytes(self) -> int:
        """Return what the replay allocates."""


class Ours:
    """``qdiverge.agents.run_loop.Trainer``, its run advanced from record to record.

    Args:
        config: The run.
        folder: Of a monitor, otherwise with its default options; None: none.
        cost: Its tier.
        clock: By which its overhead is limited.
    """

    def __init__(
        self,
        config: DQNConfig,
        folder: Path | None = None,
        cost: Cost = "standard",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.trainer = Trainer(config, log_period=1)
        self.watch = Stopwatch(clock)
        self.monitor = None if folder is None else self._attach(folder, cost)
        self._run = self.trainer.run()

    @property
    def step(self) -> int:
        """Return the agent steps taken."""
        return self.trainer.agent_step

    def advance(self, steps: int) -> None:
        """Take agent steps, with the updates due."""
        end = self.step + steps
        with self.watch:
            for record in self._run:
                if isinstance(record, UpdateRecord) and record.step >= end:
                    break

    def replay_bytes(self) -> int:
        """Return what the replay allocates."""
        held = vars(self.trainer.replay).values()
        return sum(value.nbytes for value in held if isinstance(value, np.ndarray))

    def close(self) -> None:
        """Stop the run, and its monitor."""
        self._run.close()
        if self.monitor is not None:
            self.monitor.close("interrupted")

    def _attach(self, folder: Path, cost: Cost) -> qd.Monitor:
        trainer = self.trainer
        monitor = qd.attach(
            trainer.q_network,
            target=trainer.target_network,
            optimizer=trainer.optimizer,
            discount=trainer.config.discount,
            out=folder,
            cost=cost,
            clock=lambda: trainer.agent_step,
        )
        monitor.budget.restart(self.watch.seconds)  # a share of its own loop's time
        trainer.transform_batch = lambda batch: monitor.batch(batch)
        return monitor


class Stopwatch:
    """Time spent inside this context, by ``clock``."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._before, self._since = 0.0, 0.0

    def __enter__(self) -> None:
        self._since = self._clock()

    def __exit__(self, *_: object) -> None:
        self._before, self._since = self.seconds(), 0.0

    def seconds(self) -> float:
        """Return the seconds so far."""
        return self._before + (self._clock() - self._since if self._since else 0.0)


@dataclass(frozen=True)
class Contender:
    """One row of the table.

    Attributes:
        name: In the table.
        make: Starts the loop.
        needs: Modules that must be installed.
    """

    name: str
    make: Callable[[], Weighed]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Return the modules that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


OURS, BFLOAT16, STRICT, WATCHED = (
    "qdiverge",
    "qdiverge, bfloat16",
    "qdiverge, --no-overlap",
    "qdiverge, monitor attached",
)
PEERS = {"CleanRL-style loop": "cleanrl_style", "SB3's DQN": "sb3"}


def contenders(config: DQNConfig, folder: Path) -> list[Contender]:
    """Return the rows in the table's order; ``folder`` is for the monitor's run."""
    rows = [
        Contender(OURS, lambda: Ours(config)),
        Contender(WATCHED, lambda: Ours(config, folder)),
        Contender(BFLOAT16, lambda: Ours(replace(config, precision="bfloat16"))),
        Contender(STRICT, lambda: Ours(replace(config, overlap=False))),
    ]
    for name, module in PEERS.items():
        peer = import_module(f"experiments.speed.peers.{module}")
        rows.append(Contender(name, partial(peer.Loop, config), peer.NEEDS))
    return rows
