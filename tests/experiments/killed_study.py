"""A study whose cells keep checkpoints and say who they are, to be killed."""

import os

from experiments.learning.training import clear, train
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.runs import load_run

SEEDS = (1, 2)


def cells(is_full):
    return [{"seed": seed} for seed in SEEDS]


def run(config, folder):
    (folder / "pid").write_text(str(os.getpid()))
    settings = DQNConfig(
        environment="CartPole-v1",
        seed=config["seed"],
        total_steps=3_000,
        learning_starts=100,
        buffer_size=400,
        hidden_sizes=(16, 16),
        checkpoint_period=100,
        num_envs=2,
        torch_threads=1,
    )
    clear(folder / "run")
    train(settings, folder / "run", "none", evaluation_episodes=2)
    series = load_run(folder / "run").series
    return {name: each.values.tolist() for name, each in series.items()}
