"""The same run by Stable-Baselines3: its algorithm, our settings."""

from typing import Any

import numpy as np
import torch

from experiments.threads import one_thread
from qdiverge.agents.settings.continuous_config import ContinuousConfig, SACConfig, TD3Config
from qdiverge.errors import InvalidTypeError


@one_thread()
def train(config: ContinuousConfig, episodes: int) -> dict[str, Any]:
    """Train, then play ``episodes`` without noise; what there is of the row of :mod:`.ours`."""
    import gymnasium
    from stable_baselines3 import SAC, TD3
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.noise import NormalActionNoise

    task = Monitor(gymnasium.make(config.environment))
    common: dict[str, Any] = {
        "learning_rate": config.learning_rate,
        "buffer_size": config.buffer_size,
        "learning_starts": config.learning_starts,
        "batch_size": config.batch_size,
        "gamma": config.discount,
        "train_freq": config.train_period,
        "policy_kwargs": {
            "net_arch": list(config.hidden_sizes),
            "activation_fn": {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[config.activation],
        },
        "seed": config.seed,
        "device": "cpu",
    }
    model: Any
    assert config.polyak is not None
    if isinstance(config, TD3Config):
        assert isinstance(task.action_space, gymnasium.spaces.Box)
        k = task.action_space.shape[0]
        model = TD3(
            "MlpPolicy",
            task,
            tau=config.polyak,
            action_noise=NormalActionNoise(np.zeros(k), config.exploration_noise * np.ones(k)),
            target_policy_noise=config.policy_noise,
            target_noise_clip=config.noise_clip,
            policy_delay=config.policy_period,
            **common,
        )
    elif isinstance(config, SACConfig):
        model = SAC("MlpPolicy", task, tau=config.polyak, ent_coef="auto", **common)
    else:
        raise InvalidTypeError("TD3Config or SACConfig was expected", got=type(config).__name__)
    model.learn(config.total_steps)
    play = Monitor(gymnasium.make(config.environment))
    play.reset(seed=10_000 + config.seed)
    scores, _ = evaluate_policy(
        model, play, n_eval_episodes=episodes, return_episode_rewards=True, warn=False
    )
    assert isinstance(scores, list)
    return {
        "episode_steps": np.cumsum(task.get_episode_lengths()).tolist(),
        "returns": [round(float(score), 3) for score in task.get_episode_rewards()],
        "report_steps": [],
        "alignments": [],
        "greedy": [round(float(score), 3) for score in scores],
        "end": "total_steps",
        "accepted": None,
    }
