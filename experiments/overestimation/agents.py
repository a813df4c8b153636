"""Overestimation of agents: what Q promises against what its greedy policy then earns."""

from dataclasses import replace
from typing import Any

from experiments.tracing import Sample, rounded, trace
from qdiverge.agents.environments.kinds import environment_kind
from qdiverge.agents.evaluation.environments import own_protocol
from qdiverge.agents.evaluation.episodes import evaluate
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.td import Bootstrap

SHORT = DQNConfig(
    environment="CartPole-v1",
    total_steps=5_000,  # agent steps
    num_envs=1,
    buffer_size=5_000,
    learning_starts=500,
    train_period=1,
    target_period=50,  # values of up to 100 need many copies
    layer_norm=True,  # without it values of this short run went beyond 10⁵
    learning_rate=1e-3,
    hidden_sizes=(64, 64),
    epsilon_end=0.05,
    exploration_steps=3_000,
    checkpoint_period=None,
)
NUM_EPISODES = 3


def config_of(environment: str, bootstrap: Bootstrap, seed: int) -> DQNConfig:
    """Return CartPole's short run, or its kind's preset: one step, one network but the target's."""
    kind = environment_kind(environment)
    base = {"task": SHORT, "minatar": PRESETS["minatar_fast"], "atari": PRESETS["nature"]}[kind]
    return replace(base, environment=environment, seed=seed, bootstrap=bootstrap)


def follow(config: DQNConfig, num_looks: int) -> dict[str, Any]:
    """Train, and let the greedy policy play at ``num_looks`` moments; return the series of both."""
    names = ("step", "predicted", "realised", "score")
    series: dict[str, list[float]] = {name: [] for name in names}
    greedy = own_protocol(config, "greedy", NUM_EPISODES, epsilon=0.0)

    def look(trainer: Trainer, sample: Sample) -> None:
        weights = trainer.q_network.state_dict()
        played = evaluate(trainer.config, weights, greedy, seed=sample.step)
        scores = [one.episode.score for one in played.episodes]
        bias = played.overestimation
        numbers = sample.step, bias.predicted, bias.realised, sum(scores) / len(scores)
        for name, number in zip(names, numbers, strict=True):
            series[name].append(rounded(float(number)))

    ended = trace(config, num_looks, every=look)
    late = series["predicted"][num_looks // 2 :], series["realised"][num_looks // 2 :]
    bias = [p - r for p, r in zip(*late, strict=True)]
    return {**series, "late_bias": rounded(sum(bias) / len(bias)), "end": ended.end}
