"""Run one cell: a DQN on a task, online or on fixed data, with a recorder attached."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from experiments.foresight.cell import Cell
from experiments.foresight.networks import QNetwork
from experiments.foresight.problems import PROBLEMS
from experiments.foresight.recorder import SeriesRecorder
from experiments.threads import one_thread
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.loop import Trainer
from qdiverge.agents.settings.dqn import DQNConfig
from qdiverge.diagnostics import Transitions
from qdiverge.monitor.options import Loss, MonitorOptions
from qdiverge.monitor.subject import Subject

DRAWS = 10  # from a replay of fixed data, for each of its slots
WARM_UP = 200  # agent steps of random play before the first update of an online run
LOSSES: dict[str, Loss] = {"huber": "huber", "mse": "half_squared"}  # the agent's → the monitor's


@dataclass(frozen=True)
class Trained:
    """A run that has ended: the recorder, the trainer that made it, and the CPU time of it all."""

    recorder: SeriesRecorder
    trainer: Trainer
    seconds: float


@one_thread()
def train(cell: Cell, stop_at: int | None = None) -> Trained:
    """Train to the end, or until the values are beyond all measure.

    Raises:
        StoppedError: at the measurement ``stop_at``.
    """
    began = time.process_time()
    trainer = make_trainer(cell)
    with closing(trainer):
        recorder = attach(cell, trainer, stop_at)
        if cell.offline:
            _train_offline(cell, trainer, recorder)
        else:
            trainer.transform_batch = recorder.batch
            for _ in trainer.run():
                if recorder.is_beyond:
                    break
    return Trained(recorder, trainer, time.process_time() - began)


def _train_offline(cell: Cell, trainer: Trainer, recorder: SeriesRecorder) -> None:
    for _ in trainer.run():  # random play alone
        pass
    agent = trainer.agent
    assert isinstance(agent, DQN)
    data, rng = None, np.random.default_rng(cell.seed)
    if cell.coverage < 1:
        index = np.unique(trainer.replay.draw(DRAWS * cell.buffer_size))  # all, but for a few
        data = narrowed(trainer.replay.gather(index), cell.coverage)
    for update in range(1, cell.num_updates + 1):
        if data is None:
            batch = trainer.sampler.sample(trainer.agent_step)
        else:
            batch = data.select(torch.from_numpy(rng.integers(len(data), size=cell.batch_size)))
        recorder.batch(batch)
        done = agent.update(batch)
        if not done.is_finite or recorder.is_beyond:
            return
        trainer.sampler.learnt(batch, done.surprises)
        if cell.target_period is not None and update % cell.target_period == 0:
            agent.sync_target()


def narrowed(data: Transitions, coverage: float) -> Transitions:
    """Return the share ``coverage`` of the transitions of the least ‖s‖, rewards within ±1.

    Observations are put in units of their root mean square on what is kept, as is usual for fixed
    data; what lies beyond the data is then large.
    """
    size = data.observations.float().flatten(1).norm(dim=1)
    data = data.select(size.argsort(stable=True)[: max(1, round(coverage * len(data)))])
    unit = data.observations.float().square().mean().sqrt().clamp(min=1e-6)
    return replace(
        data,
        rewards=data.rewards.clamp(-1, 1),
        observations=data.observations / unit,
        next_observations=data.next_observations / unit,
    )


def make_config(cell: Cell) -> DQNConfig:
    """Return the agent's settings."""
    problem = PROBLEMS[cell.problem]
    is_preqn = cell.update == "preqn"
    steps = cell.buffer_size if cell.offline else WARM_UP
    given: dict[str, Any] = {}
    if cell.target_period is not None and not is_preqn:
        given["target_period"] = cell.target_period
    if not is_preqn:
        given |= {"optimizer": cell.optimizer, "loss": cell.loss}
        given |= {"polyak": cell.polyak, "prioritized": cell.prioritized}
    if problem.family in ("minatar", "atari"):
        given["max_episode_frames"] = 2_000
    return DQNConfig(
        environment=problem.environment,
        seed=cell.seed,
        total_steps=steps + (0 if cell.offline else cell.num_updates),
        num_envs=4,
        clip_rewards=True,
        discount=cell.discount,
        buffer_size=cell.buffer_size,
        batch_size=cell.batch_size,
        learning_starts=steps,
        train_period=1,
        n_step=cell.n_step,
        bootstrap="q" if is_preqn else cell.bootstrap,
        update=cell.update,
        exploration_steps=WARM_UP + cell.num_updates // 2,
        epsilon_end=0.05,
        overlap=False,
        checkpoint_period=None,
        **given,
    )


def make_trainer(cell: Cell) -> Trainer:
    """Make the trainer, with the cell's network."""

    def make_q_network(shape: tuple[int, ...], num_actions: int) -> QNetwork:
        torch.manual_seed(cell.seed)  # the trainer puts the global generator back
        return QNetwork(
            shape,
            num_actions,
            width=cell.width,
            depth=cell.depth,
            activation=cell.activation,
            layer_norm=cell.layer_norm,
        )

    return Trainer(make_config(cell), make_q_network=make_q_network if cell.width else None)


def attach(cell: Cell, trainer: Trainer, stop_at: int | None) -> SeriesRecorder:
    """Attach a recorder to a DQN; rewards are in ±1, an n-step one is at most Σ_{k<n} γ^k."""
    γ, n = cell.discount, cell.n_step
    options = MonitorOptions(
        discount=γ**n,
        loss=LOSSES[cell.loss],
        bootstrap=cell.bootstrap if cell.update == "gradient" else "q",
        reward_bound=(1 - γ**n) / (1 - γ),
    )
    targets = [] if trainer.target_network is None else [trainer.target_network]
    subject = Subject([trainer.q_network], targets, trainer.optimizer, options)
    return SeriesRecorder(cell, subject, stop_at)
