"""Stable-Baselines3's DQN on CartPole: one callback, and the training is what it was."""

from pathlib import Path

from stable_baselines3 import DQN

import qdiverge as qd
from qdiverge.integrations import sb3


def main(out: str | Path = "runs/sb3-cartpole", total_timesteps: int = 20_000) -> qd.Monitor:
    """Train, and return the monitor of the run."""
    model = DQN("MlpPolicy", "CartPole-v1", learning_starts=200, seed=1, device="cpu")
    callback = sb3.Callback(out=out)
    model.learn(total_timesteps, callback=callback)
    monitor = callback.monitor
    assert monitor is not None
    print(monitor.verdict)
    print(f"The loop, as seen: {monitor.rule}")
    return monitor


if __name__ == "__main__":
    main()
