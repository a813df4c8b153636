"""One run of the corpus, taken update by update: an agent of ours, and what it learns from.

Online an environment step comes before each update. Otherwise the replay is random play and stays
as it is; where ``coverage`` is below 1, only its transitions of the least ‖s‖ are learnt from, so
that they do not cover where they lead.
"""

from __future__ import annotations

import contextlib
import copy
import os
import tempfile
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import experiments.foresight.tasks  # noqa: F401  (registers the tasks)
from experiments.foresight.cell import Cell
from experiments.foresight.networks import QNetwork
from experiments.foresight.problems import PROBLEMS
from experiments.foresight.steps import learning_rate
from qdiverge.agents.continuous import ContinuousAgent
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.continuous_config import DDPGConfig, SACConfig, TD3Config
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.transitions import Transitions

DRAWS = 10  # from a replay of fixed data, for each of its slots
WARM_UP = 500  # agent steps of random play before the first update of an online run
PROBE_SIZE, PROBE_PERIOD = 64, 500  # transitions; updates until an online run's are drawn anew
ACTOR_RATE, TEMPERATURE = 1e-3, 0.05  # of Adam; of SAC's entropy, which stays
EPSILON_END = 0.05


class LiveRun:
    """A run that has not begun; ``update`` takes it one further.

    Attributes:
        trainer: Agent, environments, replay and behaviour.
        number: Updates made.
        is_finite: Whether the last loss was.
        data: What is learnt from where that is fixed; None: the replay.
        probe: Transitions on which values are watched.

    Args:
        cell: Its settings.
    """

    def __init__(self, cell: Cell) -> None:
        self.cell, self.number, self.is_finite = cell, 0, True
        with _elsewhere():
            self.trainer = make_trainer(cell)
        self.agent, self.config = self.trainer.agent, self.trainer.config
        trainer = self.trainer
        self.observations: NDArray[Any] = trainer.environments.reset()
        trainer.replay.begin(trainer.replay.part_to_keep(self.observations))
        while trainer.agent_step < self.config.learning_starts:
            self.act()
        is_plain = cell.n_step == 1 and not cell.prioritized and not cell.is_online
        self.data = fixed(trainer, cell) if is_plain and cell.stratum != "image" else None
        self._draws = torch.Generator().manual_seed(cell.seed)
        self.probe = self.look()
        batch = self.batch()
        for group in self.agent.optimizer.param_groups:
            group["lr"] = learning_rate(cell, self.networks, batch)
        if cell.clipping is not None:
            parameters = [p for net in self.networks for p in net.parameters()]
            self.agent.optimizer.register_step_pre_hook(
                lambda *_: clipped(parameters, cell.clipping or 0.0)
            )

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """Return the Q-network, or the critics."""
        agent = self.agent
        return agent.critics if isinstance(agent, ContinuousAgent) else (agent.q_network,)

    @property
    def bound(self) -> float:
        """Return B = r_max/(1−γ) with r_max = 1, in SAC 1 + α log 2^k; also of n-step targets."""
        return self.reward_bound * (1 - self.cell.discount) ** -1

    @property
    def reward_bound(self) -> float:
        """Return r_max, the entropy that is paid included."""
        if self.cell.algorithm != "sac":
            return 1.0
        return 1 + TEMPERATURE * self.probe.actions.shape[1] * float(np.log(2))

    def act(self) -> None:
        """Take one step of the environments by the behaviour policy."""
        trainer = self.trainer
        actions = trainer.behaviour.actions(self.observations, trainer.agent_step)
        step = trainer.environments.step(actions)
        trainer.replay.store(actions, step, terminal_on_life_loss=False)
        trainer.agent_step += len(actions)
        self.observations = step.observations

    def draw_by(self, generator: torch.Generator) -> None:
        """Draw the batches of fixed data by another generator from now on."""
        self._draws = generator

    def batch(self) -> Transitions:
        """Draw what the next update learns from."""
        if self.data is None:
            return self.trainer.sampler.sample(self.trainer.agent_step)
        index = torch.randint(len(self.data), (self.cell.batch_size,), generator=self._draws)
        return self.data.select(index)

    def coming(self, num_updates: int) -> list[Transitions]:
        """Return what the next updates of fixed data will learn from, by copies of what draws."""
        if self.data is None:
            sampler = copy.deepcopy(self.trainer.sampler)
            return [sampler.sample(self.trainer.agent_step) for _ in range(num_updates)]
        mine, self._draws = self._draws, self._draws.clone_state()
        try:
            return [self.batch() for _ in range(num_updates)]
        finally:
            self._draws = mine

    def look(self) -> Transitions:
        """Return transitions to watch the values on."""
        if self.data is None:
            replay = copy.deepcopy(self.trainer.replay)  # whose generator stays where it is
            rows = replay.gather(replay.draw(PROBE_SIZE))
            return replace(rows, rewards=rows.rewards.clamp(-1, 1))
        index = torch.randperm(len(self.data), generator=torch.Generator().manual_seed(0))
        return self.data.select(index[:PROBE_SIZE])

    def update(self) -> None:
        """Make one update; where the loss is not finite it is none."""
        if self.cell.is_online:
            self.act()
            if self.number % PROBE_PERIOD == PROBE_PERIOD - 1:
                self.probe = self.look()
        batch = self.batch()
        self.number += 1
        done = self.agent.update(batch, self.number)
        self.is_finite = done.is_finite
        if not done.is_finite:
            return
        if self.data is None:
            self.trainer.sampler.learnt(batch, done.surprises)
        period = self.cell.target_period
        if period is not None and self.number % period == 0 and isinstance(self.agent, DQN):
            self.agent.sync_target()

    @torch.no_grad()
    def values(self) -> Tensor:
        """Return Q on the probe: of every action, or of each critic."""
        s = self.probe.observations
        if self.cell.is_critic:
            return torch.stack([critic(s, self.probe.actions) for critic in self.networks])
        values: Tensor = self.networks[0](s)
        return values

    def td_error(self) -> float:
        """Return mean |δ| on the probe, one step ahead; of critics of the first."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            targets = self.agent.targets(self.probe)  # type: ignore[attr-defined]
            return float((targets - self.agent.values_of(self.probe)).abs().mean())


def clipped(parameters: list[nn.Parameter], norm: float) -> None:
    """Scale gradients down to a norm."""
    nn.utils.clip_grad_norm_(parameters, norm)


def fixed(trainer: Trainer, cell: Cell) -> Transitions:
    """Return all that was played, rewards within ±1; of narrow coverage its least ‖s‖.

    Narrowed observations are put in units of their root mean square, as is usual for fixed data;
    what lies beyond the data is then large.
    """
    index = np.unique(trainer.replay.draw(DRAWS * cell.buffer_size))  # all, but for a few
    data = trainer.replay.gather(index)
    data = replace(data, rewards=data.rewards.clamp(-1, 1))
    if cell.coverage == 1:
        return data
    size = data.observations.float().flatten(1).norm(dim=1)
    data = data.select(size.argsort(stable=True)[: max(1, round(cell.coverage * len(data)))])
    unit = data.observations.float().square().mean().sqrt().clamp(min=1e-6)
    return replace(
        data, observations=data.observations / unit, next_observations=data.next_observations / unit
    )


def make_config(cell: Cell) -> AgentConfig:
    """Return the agent's settings."""
    problem = PROBLEMS[cell.problem]
    starts = WARM_UP if cell.is_online else cell.buffer_size
    shared: dict[str, Any] = {
        "environment": problem.environment, "seed": cell.seed, "discount": cell.discount,
        "buffer_size": cell.buffer_size + 8, "batch_size": cell.batch_size, "train_period": 1,
        "total_steps": starts + cell.num_updates, "learning_starts": starts,
        "num_envs": 1 if cell.is_online else 4,
    }  # fmt: skip
    if cell.is_critic:
        shared |= {
            "hidden_sizes": (cell.width,) * cell.depth, "activation": cell.activation,
            "layer_norm": cell.layer_norm, "polyak": cell.polyak, "actor_learning_rate": ACTOR_RATE,
        }  # fmt: skip
        if cell.algorithm == "sac":
            return SACConfig(**shared, temperature=TEMPERATURE, tune_temperature=False)
        return (TD3Config if cell.algorithm == "td3" else DDPGConfig)(**shared)
    if cell.target_period is not None:
        shared["target_period"] = cell.target_period
    if problem.family in ("minatar", "atari"):
        shared["max_episode_frames"] = 2_000
    return DQNConfig(
        **shared, clip_rewards=True, n_step=cell.n_step, prioritized=cell.prioritized,
        bootstrap=cell.bootstrap, optimizer=cell.optimizer, loss=cell.loss, polyak=cell.polyak,
        exploration_steps=starts + cell.num_updates // 4, epsilon_end=EPSILON_END, overlap=False,
        checkpoint_period=None,
    )  # fmt: skip


def make_trainer(cell: Cell) -> Trainer:
    """Make the trainer, with the cell's network."""

    def make_q_network(shape: tuple[int, ...], num_actions: int) -> QNetwork:
        torch.manual_seed(cell.seed)  # the trainer puts the global generator back
        return QNetwork(
            shape, num_actions, width=cell.width, depth=cell.depth, activation=cell.activation,
            layer_norm=cell.layer_norm,
        )  # fmt: skip

    is_own = cell.width > 0 and not cell.is_critic
    return Trainer(make_config(cell), make_q_network=make_q_network if is_own else None)


@contextlib.contextmanager
def _elsewhere() -> Any:
    """Work in a folder that is thrown away: MuJoCo leaves a log where it is."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
