"""Gymnasium tasks through the same trainer."""

import dataclasses

import gymnasium
import numpy as np
import pytest

from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.records import EpisodeEnd, RunEnd, UpdateRecord
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.cartpole import CARTPOLE as CARTPOLE_PRESET
from qdiverge.errors import InvalidValueError, MissingExtraError

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


# every kind of space: Box, Discrete, Tuple of Discrete
TASKS = {
    "CartPole-v1": (4,),
    "Acrobot-v1": (6,),
    "MountainCar-v0": (2,),
    "FrozenLake-v1": (16,),
    "CliffWalking-v1": (48,),
    "Taxi-v4": (500,),
    "Blackjack-v1": (45,),
    "qdiverge/FourRooms-v0": (105,),
    "qdiverge/Cliffwalk-v0": (16,),
}


@pytest.mark.parametrize(("name", "shape"), TASKS.items())
def test_steps_are_those_of_gymnasium_itself(name, shape):
    ours = TaskEnvironments(find_task(name), num_envs=2, seed=5)
    theirs = [gymnasium.make(name, disable_env_checker=True) for _ in range(2)]

    def flat(observation):
        return gymnasium.spaces.flatten(theirs[0].observation_space, observation)

    assert ours.shape == shape
    current = ours.reset()
    for e, task in enumerate(theirs):
        assert np.array_equal(current[e], flat(task.reset(seed=int(ours._seeds[e]))[0]))
    rng = np.random.default_rng(0)
    scores, lengths, ends = [0.0, 0.0], [0, 0], 0
    for _ in range(450):
        actions = rng.integers(ours.num_actions, size=2)
        step = ours.step(actions)
        for e, task in enumerate(theirs):
            observation, reward, terminated, truncated, _ = task.step(actions[e])
            assert np.array_equal(step.next_observations[e], flat(observation))
            assert (step.rewards[e], step.terminated[e]) == (np.float32(reward), terminated)
            assert step.truncated[e] == (truncated and not terminated)
            scores[e], lengths[e] = scores[e] + reward, lengths[e] + 1
            if terminated or truncated:
                (episode,) = [one for one in step.episodes if one.environment == e]
                assert (episode.score, episode.length) == (scores[e], lengths[e])
                observation, _ = task.reset()
                scores[e], lengths[e], ends = 0.0, 0, ends + 1
            assert np.array_equal(step.observations[e], flat(observation))
    assert ends >= (0 if name in ("Acrobot-v1", "CliffWalking-v1") else 2)
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


def test_what_a_time_limit_cuts_short_is_bootstrapped_from_its_own_last_state():
    trainer = Trainer(
        dataclasses.replace(CARTPOLE, environment="MountainCar-v0", num_envs=1, n_step=1)
    )
    ends = [record for record in trainer.run() if isinstance(record, EpisodeEnd)]
    assert [(end.step, end.terminated) for end in ends] == [(200, False), (400, False)]
    replay = trainer.replay
    assert isinstance(replay, ArrayReplay)
    last = replay.gather(np.array([199]))
    assert last.terminated.tolist() == [False]
    assert np.array_equal(last.next_observations[0], replay.arrays[0, 200])
    following = replay.arrays[0, 201]  # the next episode's first: at rest in the valley
    assert following[1] == 0.0
    assert -0.6 <= following[0] <= -0.4
    assert not np.array_equal(replay.arrays[0, 200], following)


@pytest.mark.parametrize("name", [*TASKS, "MinAtar/Seaquest-v0"])
def test_every_task_is_learnt_from_and_runs_are_deterministic(name):
    config = dataclasses.replace(CARTPOLE, environment=name, total_steps=140)
    first, second = (list(Trainer(config, log_period=1).run()) for _ in range(2))
    losses = [record.loss for record in first if isinstance(record, UpdateRecord)]
    assert len(losses) == 10
    assert np.isfinite(losses).all()
    assert losses == [record.loss for record in second if isinstance(record, UpdateRecord)]


MODULE = """
import gymnasium
import numpy as np
from gymnasium import spaces

SPACES = {
    "Parts": spaces.Dict({"a": spaces.Box(0, 1, (2, 3)), "b": spaces.Discrete(4, start=1)}),
    "Bits": spaces.MultiBinary(5),
    "Choices": spaces.MultiDiscrete([2, 3]),
    "Scalar": spaces.Box(0, 1, ()),
    "Frames": spaces.Box(0, 255, (4, 84, 84), np.uint8),
    "Image": spaces.Box(0, 255, (96, 96, 3), np.uint8),
    "Words": spaces.Sequence(spaces.Discrete(3)),
}

class Any(gymnasium.Env):
    def __init__(self, kind):
        self.observation_space = SPACES[kind]
        self.action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert action in (-1, 0, 1)
        is_over = bool(self.np_random.random() < 0.1)
        return self.observation_space.sample(), action, is_over, False, {}

for kind in SPACES:
    gymnasium.register(kind + "Any-v0", entry_point=Any, kwargs={"kind": kind})
"""


@pytest.mark.parametrize(
    ("kind", "shape", "dtype"),
    [
        ("Parts", (10,), np.float32),
        ("Bits", (5,), np.bool_),
        ("Choices", (5,), np.bool_),
        ("Scalar", (1,), np.float32),
        ("Frames", (4, 84, 84), np.uint8),
        ("Image", None, "GrayscaleObservation"),
        ("Words", None, "flatten_space"),
    ],
)
def test_tasks_of_a_module_in_the_working_directory(kind, shape, dtype, tmp_path, monkeypatch):
    (tmp_path / "tasks_of_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    config = DQNConfig(
        environment=f"tasks_of_mine:{kind}Any-v0",
        total_steps=40,
        num_envs=2,
        learning_starts=30,
        buffer_size=100,
        batch_size=4,
    )
    if shape is None:
        with pytest.raises(InvalidValueError, match=dtype):
            Trainer(config)
        return
    trainer = Trainer(config)
    assert list(trainer.run())[-1].update == 3  # at steps 32, 36 and 40
    assert isinstance(trainer.replay, ArrayReplay)
    assert trainer.replay.arrays.shape[2:] == shape
    assert trainer.replay.arrays.dtype == dtype
    assert set(trainer.replay.rewards[trainer.replay.actions == 0].tolist()) == {-1.0}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Pendulum-v1", "discrete actions"),
        ("CartPol-v1", "Did you mean CartPole-v1"),
        ("qdiverge/Nothing-v0", "qdiverge/FourRooms-v0"),
        ("no_such_module:CartPole-v1", "No module named 'no_such_module'"),
        ("math:NoSuchTask-v0", "math must register"),
        ("Nonsense", "Atari games"),
    ],
)
def test_what_cannot_be_learnt_is_refused(name, says):
    with pytest.raises(InvalidValueError, match=says):
        Trainer(DQNConfig(environment=name, buffer_size=1_000))


def test_a_task_whose_dependency_is_missing_says_which():
    gymnasium.register("Unmade-v0", entry_point="no_such_module:Task")
    with pytest.raises(MissingExtraError, match="no_such_module"):
        TaskEnvironments("Unmade-v0", 1, 0)


def test_a_task_has_no_lives():
    with pytest.raises(InvalidValueError, match="only Atari games open with no-ops, have lives"):
        Trainer(DQNConfig(environment="CartPole-v1", terminal_on_life_loss=True))


def test_atari_names_are_no_tasks():
    assert find_task("ALE/Pong-v5") is None
    assert find_task("Pong") is None
    assert find_task("PongNoFrameskip-v4") is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
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
