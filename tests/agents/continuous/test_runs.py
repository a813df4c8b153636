"""Whole runs of every agent of continuous control: optima, the monitor, refusals."""

import dataclasses

import numpy as np
import pytest
import torch

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.records import EpisodeEnd, UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.saved_agent import config_from_json
from qdiverge.agents.settings.continuous_config import (
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.control import PRESETS
from qdiverge.cli.watch_settings import Watching
from qdiverge.cli.watched import train_watched
from qdiverge.errors import CheckpointError, InvalidValueError
from tests.agents.continuous.tasks import AGENTS

BANDIT = {
    "environment": "Bandit-v0",
    "total_steps": 350,
    "learning_starts": 100,
    "buffer_size": 500,
    "batch_size": 32,
    "hidden_sizes": (),
}
CRITIC, ACTOR = {"learning_rate": 3e-2}, {"actor_learning_rate": 3e-2}
BANDITS = {
    "DDPG": DDPGConfig(**BANDIT, **CRITIC, **ACTOR),
    "PreQN-DDPG": DDPGConfig(**BANDIT, **ACTOR, update="preqn", preqn_align_with="reachable"),
    "TD3": TD3Config(**BANDIT, **CRITIC, **ACTOR),
    "SAC": SACConfig(**BANDIT, **CRITIC, **ACTOR, temperature=0.003, tune_temperature=False),
    "Q-learning": QLearningConfig(  # steps of 2.25 in all: across the box from wherever they start
        **BANDIT, **CRITIC, train_period=2, maximiser="gradient", ascent_rounds=14
    ),
}


@pytest.mark.parametrize("config", BANDITS.values(), ids=BANDITS)
def test_it_finds_the_best_arm_and_its_value(config):
    """Whatever the seed: a linear critic comes to Q = a/2 exactly, a the agent's half of the arm.

    Nothing bootstraps and no reward is noisy, so the loss is convex with minimum 0. From where its
    slope is positive for good, an actor climbs to the end of the box and stays.
    """
    trainer = Trainer(config)
    ends = [record for record in trainer.run() if isinstance(record, EpisodeEnd)]
    assert len(ends) == config.total_steps
    best = trainer.agent.act(np.ones((1, 1), np.float32))
    assert best.item() == pytest.approx(1.0, abs=0.05)  # the box is [−2, 2]
    assert isinstance(trainer.agent, ContinuousAgent)
    value = trainer.agent.values(torch.ones(1, 1), torch.from_numpy(best))
    assert float(value) == pytest.approx(0.5, abs=0.05)
    assert abs(np.mean([end.score for end in ends[:100]])) < 0.25  # uniform: 0 ± 0.03
    assert np.mean([end.score for end in ends[-50:]]) > 0.4  # noise of 0.1 costs 0.02


def weights(trainer):
    return {name: p.detach().clone() for name, p in trainer.agent.parameters.items()}


@pytest.mark.parametrize("config", AGENTS.values(), ids=AGENTS)
def test_neither_monitor_nor_alignment_changes_a_bit(config, tmp_path, monkeypatch):
    alone = Trainer(config, log_period=7)
    records = [r for r in alone.run() if isinstance(r, UpdateRecord)]
    watched = []
    init = Trainer.__init__

    def remember(self, *args, **kwargs):
        init(self, *args, **kwargs)
        watched.append(self)

    monkeypatch.setattr(Trainer, "__init__", remember)
    train_watched(
        config,
        tmp_path / "run",
        Watching(every=5, cost="full", max_overhead=None, log_period=7, epoch_period=45),
    )
    ours, theirs = weights(watched[0]), weights(alone)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert len(records) == 10
    assert records[0].alignment is None
    assert watched[0].updates.has_alignment


@pytest.mark.parametrize("name", ["DDPG", "PreQN-DDPG"])
def test_the_alignment_is_that_of_the_step(name):
    trainer = Trainer(AGENTS[name], log_period=1, has_alignment=True)
    records = [r for r in trainer.run() if isinstance(r, UpdateRecord)]
    assert all(-1.0 <= r.alignment <= 1.0 for r in records)
    if name == "PreQN-DDPG":
        accepted = [r for r in records if r.preqn.is_accepted]
        assert len(accepted) > 30  # measured 46 to 70 of 70 in 40 seeds
        for r in accepted:
            assert r.alignment == pytest.approx(r.preqn.alignment, abs=1e-4)
            assert r.alignment >= 0.97 - 1e-4


def test_actions_and_observations_of_the_replay_are_those_of_the_task():
    trainer = Trainer(AGENTS["TD3"])
    list(trainer.run())
    replay = trainer.replay
    assert replay.actions.shape == (2, 40, 1)
    assert replay.actions.dtype == np.float32
    held = replay.actions[~np.isnan(replay.actions)]
    assert (np.abs(held) <= 1.0).all()
    batch = replay.sample(50)
    assert batch.actions.shape == (50, 1)
    assert not torch.isnan(batch.actions).any()
    assert not batch.terminated.any()  # Pendulum never ends by itself


def test_settings_go_through_json_and_back():
    for config in AGENTS.values():
        assert config_from_json(config.as_json()) == config
    old = dataclasses.asdict(DQNConfig())
    assert config_from_json(old) == DQNConfig()  # of a run that did not say whose it was
    with pytest.raises(CheckpointError, match="algorithm a3c"):
        config_from_json({"algorithm": "a3c"})
    with pytest.raises(CheckpointError, match="epsilon_end"):
        config_from_json(AGENTS["TD3"].as_json() | {"epsilon_end": 0.1})


def test_every_preset_is_a_configuration_of_its_algorithm():
    for name, presets in PRESETS.items():
        assert all(config.algorithm == name for config in presets.values())
        assert "fast" in presets


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ("CartPole-v1", r"must have continuous actions.*qdiverge train dqn"),
        ("Pong", r"td3 acts in Gymnasium tasks.*got Pong"),
        ("MinAtar/Breakout-v1", r"td3 acts in Gymnasium tasks"),
        ("Unbounded-v0", r"must be bounded on every side"),
        ("Pendulum-v9", r"Pendulum-v1"),
    ],
)
def test_what_has_no_continuous_actions_is_refused(environment, says):
    with pytest.raises(InvalidValueError, match=says):
        Trainer(TD3Config(environment=environment, buffer_size=1_000))


def test_discrete_agents_refuse_continuous_actions_and_name_who_does_not():
    with pytest.raises(InvalidValueError, match=r"discrete actions.*qdiverge train td3"):
        Trainer(DQNConfig(environment="Pendulum-v1", buffer_size=1_000))


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (TD3Config, {"polyak": 0.0}, r"polyak must lie in \(0, 1\]"),
        (TD3Config, {"polyak": None}, "td3 needs target networks"),
        (TD3Config, {"policy_noise": -0.1}, "policy_noise must be"),
        (TD3Config, {"policy_period": 0}, "policy_period must be an integer"),
        (TD3Config, {"activation": "gelu"}, "activation must be one of relu, tanh, sin"),
        (TD3Config, {"discount": 1.5}, "discount must lie"),
        (TD3Config, {"hidden_sizes": (0,)}, "hidden_sizes"),
        (TD3Config, {"layer_norm": True, "hidden_sizes": ()}, "needs a hidden layer"),
        (DDPGConfig, {"update": "preqn", "polyak": 0.1}, "PreQN needs no target network"),
        (DDPGConfig, {"update": "preqn", "learning_rate": 0.1}, "the critic's optimiser"),
        (DDPGConfig, {"preqn_alignment": 0.5}, "only PreQN has it"),
        (DDPGConfig, {"update": "preqn", "preqn_alignment": 1.5}, "preqn_alignment must lie"),
        (SACConfig, {"tune_temperature": False, "target_entropy": -1.0}, "stays what it is"),
        (SACConfig, {"temperature": 0.0}, "temperature must be"),
        (QLearningConfig, {"maximiser": "grid"}, "maximiser must be one of cem, gradient"),
        (QLearningConfig, {"maximiser": "gradient", "cem_rounds": 3}, "Take the maximiser cem"),
        (QLearningConfig, {"cem_elites": 65}, "at most cem_samples"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(kind, options, says):
    with pytest.raises(InvalidValueError, match=says):
        kind(**options)


def test_a_preset_lets_go_of_what_another_setting_leaves_without_effect():
    preset = PRESETS["ddpg"]["fast"].adapted(update="preqn")
    assert preset.learning_rate == DDPGConfig.learning_rate
    assert preset.hidden_sizes == (64, 64)
