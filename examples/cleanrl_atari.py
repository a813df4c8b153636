"""A loop in CleanRL's style on Pong: two lines of it are qdiverge's, as in the committed diffs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode
from torch import nn

import qdiverge as qd

DISCOUNT, BATCH_SIZE, TRAIN_FREQUENCY, TARGET_FREQUENCY = 0.99, 32, 4, 1_000
FRAMES = (4, 84, 84)


def make_network(num_actions: int) -> nn.Module:
    """Return the network of Mnih et al. (2015) on pixels from 0 to 255."""

    class Pixels(nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return frames.float() / 255

    return nn.Sequential(
        Pixels(),
        *(nn.Conv2d(4, 32, 8, stride=4), nn.ReLU()),
        *(nn.Conv2d(32, 64, 4, stride=2), nn.ReLU()),
        *(nn.Conv2d(64, 64, 3, stride=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, num_actions)),
    )


class Replay:
    """The newest transitions, drawn uniformly, under the names of CleanRL's buffer."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.observations = np.zeros((size, *FRAMES), np.uint8)
        self.next_observations = np.zeros((size, *FRAMES), np.uint8)
        self.actions, self.rewards = np.zeros(size, np.int64), np.zeros(size, np.float32)
        self.dones = np.zeros(size, np.float32)

    def add(self, *transition: Any) -> None:
        """Keep s, s', a, r and whether the episode ended by its own rules."""
        fields: tuple[np.ndarray, ...] = (
            self.observations, self.next_observations, self.actions, self.rewards, self.dones,
        )  # fmt: skip
        for field, value in zip(fields, transition, strict=True):
            field[self.count % self.size] = value
        self.count += 1

    def sample(self, num: int) -> dict[str, torch.Tensor]:
        """Draw a batch."""
        rows = np.random.default_rng(self.count).integers(min(self.count, self.size), size=num)
        names = ("observations", "next_observations", "actions", "rewards", "dones")
        return {name: torch.as_tensor(getattr(self, name)[rows]) for name in names}


def main(
    out: str | Path = "runs/cleanrl-atari",
    total_timesteps: int = 5_000,
    learning_starts: int = 1_000,
    buffer_size: int = 5_000,
) -> qd.Monitor:
    """Train, and return the monitor of the run."""
    torch.manual_seed(1)
    envs = AtariVectorEnv("pong", num_envs=1, autoreset_mode=AutoresetMode.SAME_STEP)
    num_actions = int(envs.single_action_space.n)  # type: ignore[attr-defined]
    q_network, target_network = make_network(num_actions), make_network(num_actions)
    target_network.load_state_dict(q_network.state_dict())
    optimizer = torch.optim.Adam(q_network.parameters(), lr=1e-4)
    rb = Replay(buffer_size)
    monitor = qd.attach(
        q_network, target=target_network, optimizer=optimizer, discount=DISCOUNT,
        loss="squared", out=out, clock=lambda: global_step, step_unit="agent steps",
    )  # fmt: skip

    obs, _ = envs.reset(seed=1)
    for global_step in range(1, total_timesteps + 1):
        epsilon = max(0.05, 1 - global_step / (0.5 * total_timesteps))
        if torch.rand(()) < epsilon:
            actions = np.random.default_rng(global_step).integers(num_actions, size=1)
        else:
            actions = q_network(torch.tensor(obs)).argmax(1).numpy()
        next_obs, rewards, terminations, truncations, infos = envs.step(actions)
        has_ended = bool(terminations[0] or truncations[0])
        after = infos["final_obs"] if has_ended else next_obs
        rb.add(obs[0], after[0], actions[0], np.sign(rewards[0]), terminations[0])
        obs = next_obs

        if global_step > learning_starts and global_step % TRAIN_FREQUENCY == 0:
            data = monitor.batch(rb.sample(BATCH_SIZE))
            with torch.no_grad():
                target_max = target_network(data["next_observations"]).amax(1)
                td_target = data["rewards"] + DISCOUNT * target_max * (1 - data["dones"])
            q = q_network(data["observations"]).gather(1, data["actions"][:, None]).squeeze(1)
            optimizer.zero_grad()
            nn.functional.mse_loss(td_target, q).backward()
            optimizer.step()
        if global_step % TARGET_FREQUENCY == 0:
            target_network.load_state_dict(q_network.state_dict())
    monitor.close()
    envs.close()
    print(monitor.verdict)
    return monitor


if __name__ == "__main__":
    main()
