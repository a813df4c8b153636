"""A DQN loop in the style of CleanRL: one file, one environment, every step spelt out.

Our port to Gymnasium 1: Gymnasium's own Atari wrappers under a synchronous vector of one, a replay
of stacked observations with their successors, eager PyTorch with its default Adam. The mathematics
is the configuration's: loss, batch, periods, ε.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from qdiverge.agents.settings.dqn_config import DQNConfig

if TYPE_CHECKING:
    from gymnasium.vector import SyncVectorEnv

NEEDS = ("gymnasium", "ale_py", "cv2")  # cv2: Gymnasium's wrappers shrink frames with it


class QNetwork(nn.Module):
    """The Nature network, laid out as PyTorch does by default."""

    def __init__(self, num_actions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 32, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(3136, 512),
            nn.ReLU(),
            nn.Linear(512, num_actions),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return Q(s, ·)."""
        return self.layers(x / 255.0)


class Loop:
    """The training loop, a number of agent steps at a time."""

    def __init__(self, config: DQNConfig) -> None:
        from gymnasium.spaces import Discrete

        self.config = config
        self.device = torch.device(config.device)
        self.envs = make_envs(config.environment, config.seed)
        choices = self.envs.single_action_space
        assert isinstance(choices, Discrete)
        self.num_actions = int(choices.n)
        torch.manual_seed(config.seed)
        self.rng = np.random.default_rng(config.seed)
        self.q_network = QNetwork(self.num_actions).to(self.device)
        self.target_network = QNetwork(self.num_actions).to(self.device)
        self.target_network.load_state_dict(self.q_network.state_dict())
        self.optimizer = torch.optim.Adam(self.q_network.parameters(), lr=config.learning_rate)
        shape = (config.buffer_size, 4, 84, 84)
        self.observations = np.zeros(shape, dtype=np.uint8)
        self.next_observations = np.zeros(shape, dtype=np.uint8)
        self.actions = np.zeros(config.buffer_size, dtype=np.int64)
        self.rewards = np.zeros(config.buffer_size, dtype=np.float32)
        self.dones = np.zeros(config.buffer_size, dtype=np.float32)
        self.obs, _ = self.envs.reset(seed=config.seed)
        self.step = 0
        self.loss = float("nan")

    def advance(self, steps: int) -> None:
        """Take agent steps, with the updates due."""
        for _ in range(steps):
            self._experience()
            if self.step > self.config.learning_starts:
                if self.step % self.config.train_period == 0:
                    self._learn()
                if self.step % self.config.target_period == 0:
                    self.target_network.load_state_dict(self.q_network.state_dict())

    def replay_bytes(self) -> int:
        """Return what the replay allocates."""
        arrays = self.observations, self.next_observations, self.actions, self.rewards, self.dones
        return sum(array.nbytes for array in arrays)

    def close(self) -> None:
        """Free the environment."""
        self.envs.close()

    def _experience(self) -> None:
        is_random = self.step < self.config.learning_starts
        if is_random or self.rng.random() < self.config.epsilon_end:
            actions = self.rng.integers(self.num_actions, size=1)
        else:
            with torch.no_grad():
                q_values = self.q_network(torch.Tensor(self.obs).to(self.device))
            actions = q_values.argmax(dim=1).cpu().numpy()
        next_obs, rewards, terminated, truncated, infos = self.envs.step(actions)
        real_next_obs = next_obs.copy()
        if terminated[0] or truncated[0]:
            real_next_obs[0] = infos["final_obs"][0]
        at = self.step % self.config.buffer_size
        self.observations[at] = self.obs[0]
        self.next_observations[at] = real_next_obs[0]
        self.actions[at], self.rewards[at] = actions[0], np.sign(rewards[0])
        self.dones[at] = terminated[0]
        self.obs = next_obs
        self.step += 1

    def _learn(self) -> None:
        config, device = self.config, self.device
        held = min(self.step, config.buffer_size)
        index = self.rng.integers(held, size=config.batch_size)
        observations = torch.tensor(self.observations[index], device=device)
        next_observations = torch.tensor(self.next_observations[index], device=device)
        actions = torch.tensor(self.actions[index], device=device)
        rewards = torch.tensor(self.rewards[index], device=device)
        dones = torch.tensor(self.dones[index], device=device)
        with torch.no_grad():
            best = self.target_network(next_observations).max(dim=1).values
            targets = rewards + config.discount * best * (1 - dones)
        values = self.q_network(observations).gather(1, actions[:, None]).squeeze(1)
        loss = functional.smooth_l1_loss(values, targets)
        if self.step % 100 == 0:
            self.loss = loss.item()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def make_envs(game: str, seed: int) -> SyncVectorEnv:
    """Return a synchronous vector of one environment, preprocessed as is standard."""
    import ale_py
    import gymnasium
    from gymnasium import wrappers
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    gymnasium.register_envs(ale_py)

    def make() -> gymnasium.Env:
        env: gymnasium.Env = gymnasium.make(game, frameskip=1, repeat_action_probability=0.0)
        env = wrappers.RecordEpisodeStatistics(env)
        env = wrappers.AtariPreprocessing(env, noop_max=30, terminal_on_life_loss=True)
        env = wrappers.FrameStackObservation(env, 4)
        env.action_space.seed(seed)
        return env

    return SyncVectorEnv([make], autoreset_mode=AutoresetMode.SAME_STEP)
