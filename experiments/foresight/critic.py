"""Run one cell of a MuJoCo task: DDPG's critic and actor on fixed data of random play.

Lillicrap et al. 2016 (arXiv:1509.02971), with the minimum of two target critics where the cell says
double_q (Fujimoto et al. 2018, arXiv:1802.09477). No environment is asked while it learns.
"""

from __future__ import annotations

import contextlib
import copy
import tempfile
import time

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

import experiments.foresight.tasks  # noqa: F401  (registers the tasks)
from experiments.foresight.cell import Cell
from experiments.foresight.networks import QNetwork
from experiments.foresight.problems import PROBLEMS
from experiments.foresight.recorder import SeriesRecorder
from experiments.foresight.training import LOSSES, narrowed
from experiments.threads import one_thread
from qdiverge.agents.losses import td_loss
from qdiverge.diagnostics import Transitions
from qdiverge.monitor.options import MonitorOptions
from qdiverge.monitor.subject import Subject

ACTOR_RATE = 1e-3  # Adam


class Actor(nn.Module):
    """π(s) in [−1, 1]^k."""

    def __init__(self, num_observations: int, num_actions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(num_observations, 64), nn.ReLU(), nn.Linear(64, num_actions), nn.Tanh()
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return the action, [N, k]."""
        action: Tensor = self.layers(observations)
        return action


def random_play(environment: str, size: int, seed: int) -> Transitions:
    """Return ``size`` transitions of uniformly random actions, scaled to [−1, 1], rewards to ±1."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # of MUJOCO_LOG.TXT
        task = gymnasium.make(environment)
    rng = np.random.default_rng(seed)
    space = task.action_space
    assert isinstance(space, gymnasium.spaces.Box)
    rows, (state, _) = [], task.reset(seed=seed)
    for _ in range(size):
        action = rng.uniform(-1, 1, space.shape)
        scaled = space.low + (action + 1) / 2 * (space.high - space.low)
        following, reward, terminated, truncated, _ = task.step(scaled.astype(np.float32))
        rows.append((state, action, np.clip(float(reward), -1, 1), following, terminated))
        state = task.reset()[0] if terminated or truncated else following
    task.close()
    columns = [torch.from_numpy(np.array(column)).float() for column in zip(*rows, strict=True)]
    return Transitions(*columns)


@one_thread()
def train_critic(cell: Cell, stop_at: int | None = None) -> tuple[SeriesRecorder, float]:
    """Train to the end, or until the values are beyond all measure; the recorder and CPU time.

    Raises:
        StoppedError: at the measurement ``stop_at``.
    """
    began = time.process_time()
    data = random_play(PROBLEMS[cell.problem].environment, cell.buffer_size, cell.seed)
    data = narrowed(data, cell.coverage) if cell.coverage < 1 else data
    num_observations, num_actions = data.observations.shape[1], data.actions.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.seed)
        critics = nn.ModuleList(
            QNetwork(
                (num_observations + num_actions,), 1, width=cell.width, depth=cell.depth,
                activation=cell.activation, layer_norm=cell.layer_norm,
            )
            for _ in range(2 if cell.bootstrap == "double_q" else 1)
        )  # fmt: skip
        actor = Actor(num_observations, num_actions)
    has_target = cell.bootstrap != "q"
    slow, slow_actor = copy.deepcopy((critics, actor)) if has_target else (critics, actor)
    optimizer = _optimizer(cell, critics)
    actor_optimizer = torch.optim.Adam(actor.parameters(), lr=ACTOR_RATE)
    options = MonitorOptions(
        discount=cell.discount,
        loss=LOSSES[cell.loss],
        reward_bound=1.0,
    )
    subject = Subject(
        list(critics), list(slow) if has_target else [], optimizer, options, slow_actor
    )
    recorder = SeriesRecorder(cell, subject, stop_at)
    sampling = torch.Generator().manual_seed(cell.seed)
    for update in range(1, cell.num_updates + 1):
        index = torch.randint(len(data), (cell.batch_size,), generator=sampling)
        batch = recorder.batch(data.select(index))
        loss = critic_loss(cell, batch, critics, slow, slow_actor)
        if not bool(torch.isfinite(loss)):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = critics[0](batch.observations, actor(batch.observations)).mean()
        actor_optimizer.zero_grad()
        (-value).backward()
        actor_optimizer.step()
        if has_target:
            _follow(cell, update, (critics, actor), (slow, slow_actor))
        if recorder.is_beyond:
            break
    return recorder, time.process_time() - began


def critic_loss(
    cell: Cell, batch: Transitions, critics: nn.ModuleList, slow: nn.ModuleList, actor: nn.Module
) -> Tensor:
    """Return Σ_c mean ℓ(r + γ(1 − d) min_c' Q⁻_c'(s', π⁻(s')) − Q_c(s, a))."""
    s, a, following = batch.observations, batch.actions, batch.next_observations
    with torch.no_grad():
        ahead = torch.stack([c(following, actor(following)).squeeze(1) for c in slow]).amin(0)
        target = batch.rewards + cell.discount * (1 - batch.terminated) * ahead
    errors = [target - critic(s, a).squeeze(1) for critic in critics]
    return torch.stack([td_loss(error, cell.loss) for error in errors]).sum()


def _optimizer(cell: Cell, critics: nn.Module) -> torch.optim.Optimizer:
    α, parameters = 1e-3, critics.parameters()  # until set_step, at the first batch
    if cell.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=α)
    if cell.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=α, alpha=0.95, eps=0.01, centered=True)
    return torch.optim.SGD(parameters, lr=α)


@torch.no_grad()
def _follow(
    cell: Cell, update: int, fast: tuple[nn.Module, ...], slow: tuple[nn.Module, ...]
) -> None:
    share = cell.polyak or float(update % (cell.target_period or 1) == 0)
    if share:
        for a, b in zip(slow, fast, strict=True):
            for p, q in zip(a.parameters(), b.parameters(), strict=True):
                p.lerp_(q, share)
