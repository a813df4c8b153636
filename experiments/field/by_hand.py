"""A training loop of one's own, in the style of CleanRL's dqn.py; the monitor is three lines."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import qdiverge as qd
from experiments.field.eye import Eye
from experiments.field.trained import Trained

NAMES = ("observations", "actions", "rewards", "next_observations", "terminated")
GAMMA, BATCH_SIZE, LEARNING_STARTS, BUFFER_SIZE = 0.99, 128, 1_000, 10_000


@dataclass(frozen=True)
class Loop:
    """One loop; what is not named here is CleanRL's.

    Attributes:
        num_steps: Agent steps; CleanRL's script has 500,000.
        learning_rate: Of Adam.
        train_period: Agent steps for each update.
        target_period: Agent steps between copies into the target; None: there is no target.
    """

    num_steps: int
    learning_rate: float = 2.5e-4
    train_period: int = 10
    target_period: int | None = 500


RUNS = {
    "own loop DQN CartPole": Loop(60_000, learning_rate=1e-3),
    "CartPole, no target, 1e-3": Loop(8_000, 1e-3, train_period=1, target_period=None),
    "CartPole, no target, 1e-2": Loop(4_000, 1e-2, train_period=1, target_period=None),
}


class Replay:
    """A ring of transitions."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.rows, self.size, self.rng = list[tuple[Any, ...]](), size, rng
        self.place = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Store a transition, in the place of the oldest where the ring is full."""
        if len(self.rows) < self.size:
            self.rows.append(row)
        else:
            self.rows[self.place] = row
        self.place = (self.place + 1) % self.size

    def sample(self, num: int) -> dict[str, Tensor]:
        """Draw a batch."""
        chosen = [self.rows[i] for i in self.rng.integers(len(self.rows), size=num)]
        columns = [torch.as_tensor(np.array(column)) for column in zip(*chosen, strict=True)]
        return dict(zip(NAMES, columns, strict=True))


def make_network() -> nn.Sequential:
    """Return CleanRL's network for CartPole."""
    layers = nn.Linear(4, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 2)
    return nn.Sequential(*layers)


def train(name: str, seed: int, folder: Path | None, eye: Eye) -> Trained:
    """Train; without a folder unwatched."""
    loop = RUNS[name]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    q_network = make_network()
    target = None if loop.target_period is None else make_network()
    if target is not None:
        target.load_state_dict(q_network.state_dict())
    optimizer = torch.optim.Adam(q_network.parameters(), lr=loop.learning_rate)
    monitor = None
    if folder is not None:
        monitor = qd.attach(
            q_network, target=target, optimizer=optimizer, discount=GAMMA, out=folder
        )
        eye.follow(monitor)
    began = time.process_time()
    with monitor or nullcontext():
        _steps(loop, q_network, target, optimizer, rng, seed, monitor)
    return Trained.of(q_network, time.process_time() - began)


def _steps(
    loop: Loop,
    q_network: nn.Module,
    target: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    seed: int,
    monitor: qd.Monitor | None,
) -> None:
    env, replay = gymnasium.make("CartPole-v1"), Replay(BUFFER_SIZE, rng)
    s, _ = env.reset(seed=seed)
    earned = 0.0
    for step in range(loop.num_steps):
        epsilon = max(0.05, 1 - 0.95 * step / (loop.num_steps / 2))
        if rng.random() < epsilon:
            a = int(rng.integers(2))
        else:
            a = int(q_network(torch.as_tensor(s)).argmax())
        following, r, terminated, truncated, _ = env.step(a)
        replay.add((s, a, np.float32(r), following, np.float32(terminated)))
        s, earned = following, earned + float(r)
        if terminated or truncated:
            if monitor is not None:
                monitor.log({"charts/episodic_return": earned})
            (s, _), earned = env.reset(), 0.0
        if step >= LEARNING_STARTS and step % loop.train_period == 0:
            batch = replay.sample(BATCH_SIZE)
            if monitor is not None:
                monitor.batch(batch)
            with torch.no_grad():
                best = (target or q_network)(batch["next_observations"]).max(1).values
                y = batch["rewards"] + GAMMA * best * (1 - batch["terminated"])
            q = q_network(batch["observations"]).gather(1, batch["actions"][:, None]).squeeze(1)
            loss = F.mse_loss(q, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if target is not None and step % (loop.target_period or 1) == 0:
            target.load_state_dict(q_network.state_dict())
    env.close()
