"""Stable-Baselines3's agents with the settings of its Zoo, or near them; watched by our callback.

Source of the settings: github.com/DLR-RM/rl-baselines3-zoo, the folder hyperparams; the steps of
SAC's runs are as many as fit here, not the Zoo's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from experiments.field.eye import Eye
from experiments.field.trained import Trained
from qdiverge.integrations import sb3


@dataclass(frozen=True)
class Zoo:
    """One agent on one task.

    Attributes:
        algorithm: Its class, of stable_baselines3 or sb3_contrib.
        environment: The task.
        num_steps: Agent steps.
        settings: Of the algorithm.
        noise: Standard deviation of the actions' noise; 0: none.
    """

    algorithm: str
    environment: str
    num_steps: int
    settings: dict[str, Any] = field(default_factory=dict)
    noise: float = 0.0


CARTPOLE = {
    "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1_000,
    "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128,
    "exploration_fraction": 0.16, "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
QUANTILES = CARTPOLE | {"policy_kwargs": {"net_arch": [256, 256], "n_quantiles": 10}}
MOUNTAIN_CAR = {
    "learning_rate": 4e-3, "batch_size": 128, "buffer_size": 10_000, "learning_starts": 1_000,
    "gamma": 0.98, "target_update_interval": 600, "train_freq": 16, "gradient_steps": 8,
    "exploration_fraction": 0.2, "exploration_final_eps": 0.07,
    "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
LUNAR_LANDER = {
    "learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0,
    "gamma": 0.99, "target_update_interval": 250, "train_freq": 4, "gradient_steps": -1,
    "exploration_fraction": 0.12, "exploration_final_eps": 0.1,
    "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
PENDULUM = {
    "gamma": 0.98, "buffer_size": 200_000, "learning_starts": 10_000, "gradient_steps": 1,
    "train_freq": 1, "learning_rate": 1e-3, "policy_kwargs": {"net_arch": [400, 300]},
}  # fmt: skip
NO_TARGET = {"tau": 1.0, "learning_rate": 1e-2, "learning_starts": 1_000}  # a copy at each update
RUNS = {
    "Zoo DQN CartPole": Zoo("DQN", "CartPole-v1", 50_000, CARTPOLE),
    "Zoo QR-DQN CartPole": Zoo("QRDQN", "CartPole-v1", 50_000, QUANTILES),
    "Zoo DQN MountainCar": Zoo("DQN", "MountainCar-v0", 120_000, MOUNTAIN_CAR),
    "Zoo DQN LunarLander": Zoo("DQN", "LunarLander-v3", 100_000, LUNAR_LANDER),
    "Zoo SAC Pendulum": Zoo("SAC", "Pendulum-v1", 10_000, {"learning_rate": 1e-3}),
    "Zoo TD3 Pendulum": Zoo("TD3", "Pendulum-v1", 20_000, PENDULUM, noise=0.1),
    "Zoo DDPG Pendulum": Zoo("DDPG", "Pendulum-v1", 20_000, PENDULUM, noise=0.1),
    "Zoo SAC Hopper": Zoo("SAC", "Hopper-v5", 20_000, {"learning_starts": 10_000}),
    "DDPG Pendulum, τ = 1, 1e-2": Zoo("DDPG", "Pendulum-v1", 4_000, NO_TARGET, noise=0.1),
}


def train(name: str, seed: int, folder: Path | None, eye: Eye) -> Trained:
    """Train; without a folder unwatched."""
    run = RUNS[name]
    model, callback = make(run, seed), None if folder is None else CallbackWithEye(eye, folder)
    began = time.process_time()
    model.learn(run.num_steps, callback=callback)
    cpu_seconds = time.process_time() - began
    return Trained.of(model.policy, cpu_seconds)


def make(run: Zoo, seed: int) -> Any:
    """Return the model before its training."""
    package = "sb3_contrib" if run.algorithm == "QRDQN" else "stable_baselines3"
    algorithm = getattr(import_module(package), run.algorithm)
    settings = dict(run.settings)
    if run.noise:
        from stable_baselines3.common.noise import NormalActionNoise

        settings["action_noise"] = NormalActionNoise(np.zeros(1), np.full(1, run.noise))
    return algorithm("MlpPolicy", run.environment, seed=seed, device="cpu", **settings)


class CallbackWithEye(sb3.Callback):
    """The callback at its defaults, with an eye beside the monitor that it attaches."""

    def __init__(self, eye: Eye, folder: Path) -> None:
        super().__init__(out=folder)
        self._eye = eye

    def _on_training_start(self) -> None:
        super()._on_training_start()
        assert self.monitor is not None
        self._eye.follow(self.monitor)
