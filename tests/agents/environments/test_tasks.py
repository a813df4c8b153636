"""Gymnasium tasks through the same trainer."""

import dataclasses

import gymnasium
import numpy as np
import pytest

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.loop import Trainer
from qdiverge.agents.presets.cartpole import CARTPOLE as CARTPOLE_PRESET
from qdiverge.agents.records import EpisodeEnd, RunEnd
from qdiverge.errors import InvalidValueError

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=400,
    num_envs=4,
    learning_starts=100,
    buffer_size=1_000,
    batch_size=16,
    n_step=3,
    prioritized=True,
    double=True,
    dueling=True,
    layer_norm=True,
)


def test_steps_are_those_of_gymnasium_itself():
    ours = TaskEnvironments("CartPole-v1", num_envs=2, seed=5)
    theirs = [gymnasium.make("CartPole-v1") for _ in range(2)]
    current = ours.reset()
    for e, task in enumerate(theirs):
        assert np.array_equal(current[e], task.reset(seed=int(ours._seeds[e]))[0])
    rng = np.random.default_rng(0)
    scores, ends = [0.0, 0.0], 0
    for _ in range(300):
        actions = rng.integers(2, size=2)
        step = ours.step(actions)
        for e, task in enumerate(theirs):
            observation, reward, terminated, truncated, _ = task.step(actions[e])
            assert np.array_equal(step.next_observations[e], observation)
            assert (step.rewards[e], step.terminated[e]) == (reward, terminated)
            assert step.truncated[e] == (truncated and not terminated)
            scores[e] += reward
            if terminated or truncated:
                (episode,) = [one for one in step.episodes if one.environment == e]
                assert (episode.score, episode.length) == (scores[e], scores[e])
                observation, _ = task.reset()
                scores[e], ends = 0.0, ends + 1
            assert np.array_equal(step.observations[e], observation)
    assert ends > 5
    ours.close()


def test_a_time_limit_truncates_and_shows_the_last_state():
    tasks = TaskEnvironments("MountainCar-v0", num_envs=1, seed=0)  # never solved by standing still
    tasks.reset()
    for t in range(1, 201):
        step = tasks.step(np.array([1]))
        assert step.truncated[0] == (t == 200)
    assert not step.terminated[0]
    assert (step.episodes[0].score, step.episodes[0].terminated) == (-200.0, False)
    assert not np.array_equal(step.observations, step.next_observations)
    tasks.close()


def test_all_parts_together_run_and_are_deterministic():
    trainer, records = Trainer(CARTPOLE, log_period=10), []
    records = list(trainer.run())
    again = list(Trainer(CARTPOLE, log_period=10).run())
    ends = [record for record in records if isinstance(record, EpisodeEnd)]
    assert ends == [record for record in again if isinstance(record, EpisodeEnd)]
    assert records[-1] == again[-1]
    assert records[-1] == RunEnd(400, 75, "total_steps", records[-1].detail)
    assert all(end.frames == end.length == end.score for end in ends)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Pendulum-v1", "discrete actions"),
        ("FrozenLake-v1", "must be vectors"),
        ("CartPol-v1", "Did you mean CartPole-v1"),
        ("Nonsense", "Atari games"),
    ],
)
def test_what_cannot_be_learnt_is_refused(name, says):
    with pytest.raises(InvalidValueError, match=says):
        Trainer(DQNConfig(environment=name, buffer_size=1_000))


def test_a_task_has_no_lives():
    with pytest.raises(InvalidValueError, match="only Atari games open with no-ops and have lives"):
        Trainer(DQNConfig(environment="CartPole-v1", terminal_on_life_loss=True))


def test_atari_names_are_no_tasks():
    assert find_task("ALE/Pong-v5") is None
    assert find_task("Pong") is None
    assert find_task("PongNoFrameskip-v4") is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_cartpole_is_learnt(seed):
    """20 greedy episodes of at least 475 in the mean, which is where Gymnasium calls it solved."""
    trainer = Trainer(dataclasses.replace(CARTPOLE_PRESET, seed=seed))
    assert list(trainer.run())[-1].reason == "total_steps"
    tasks = TaskEnvironments("CartPole-v1", num_envs=1, seed=123)
    observations, scores = tasks.reset(), []
    while len(scores) < 20:
        step = tasks.step(trainer.agent.act(observations))
        observations = step.observations
        scores += [episode.score for episode in step.episodes]
    tasks.close()
    assert np.mean(scores) >= 475
