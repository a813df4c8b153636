"""MinAtar's games are MinAtar's, step for step, without the package around them."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from qdiverge.agents.environments.minatar import GAMES, MinAtarGame, resolve_minatar
from qdiverge.agents.environments.tasks import TaskEnvironments
from qdiverge.agents.records import EpisodeEnd
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.presets.minatar_fast import MINATAR_FAST
from qdiverge.errors import InvalidValueError

IDS = [f"MinAtar/{game}-v{version}" for game in GAMES for version in (0, 1)]


@pytest.mark.parametrize("name", IDS)
def test_every_step_is_that_of_minatars_own_environment(name):
    from minatar import Environment

    theirs = Environment(GAMES[name[8:-3]])
    theirs.seed(7)
    theirs.reset()
    ours = MinAtarGame(name)
    assert np.array_equal(ours.reset(seed=7), theirs.state().transpose(2, 0, 1))
    actions = range(6) if name.endswith("v0") else theirs.minimal_action_set()
    assert ours.num_actions == len(actions)
    rng, ends = np.random.default_rng(0), 0
    for action in rng.integers(ours.num_actions, size=3_000):
        observation, reward, terminated, truncated = ours.step(int(action))
        assert (reward, terminated or truncated) == theirs.act(actions[action])
        assert np.array_equal(observation, theirs.state().transpose(2, 0, 1))
        assert truncated == ((terminated or truncated) and "Freeway" in name)
        if terminated or truncated:
            ends += 1
            theirs.reset()
            assert np.array_equal(ours.reset(), theirs.state().transpose(2, 0, 1))
    assert ends >= 1


@pytest.mark.parametrize("game", GAMES)
def test_a_seed_gives_a_new_games_episodes_after_any_history(game):
    """Also the last action, which a sticky one repeats, is forgotten."""

    def play(one):
        seen = [one.reset(seed=3)]
        for t in range(300):
            observation, reward, terminated, truncated = one.step(t % one.num_actions)
            over = terminated or truncated
            seen += [observation, np.array(reward), *([one.reset()] if over else [])]
        return np.concatenate([entry.ravel() for entry in seen])

    fresh, used = (
        MinAtarGame(f"MinAtar/{game}-v1", repeat_action_probability=0.9) for _ in range(2)
    )
    used.reset(seed=1)
    for _ in range(137):
        used.step(used.num_actions - 1)
    assert np.array_equal(play(fresh), play(used))


def test_copies_are_played_apart_and_their_ends_are_told_apart():
    games = TaskEnvironments("MinAtar/Breakout-v1", num_envs=3, seed=1)
    observations, rng = games.reset(), np.random.default_rng(0)
    assert (observations.shape, observations.dtype) == ((3, 4, 10, 10), np.bool_)
    scores, ended = np.zeros(3), 0
    for _ in range(200):
        step = games.step(rng.integers(3, size=3))
        scores += step.rewards
        for episode in step.episodes:
            assert episode.score == scores[episode.environment]
            assert step.terminated[episode.environment]
            scores[episode.environment], ended = 0.0, ended + 1
            # the last observation of the old episode, not the first of the new
            new = step.observations[episode.environment]
            old = step.next_observations[episode.environment]
            assert not np.array_equal(new, old)
            assert new[3].sum() == 30  # all bricks are back
        going = ~step.ended
        assert np.array_equal(step.observations[going], step.next_observations[going])
    assert ended > 10


def test_an_endless_episode_is_cut_short_at_its_bound():
    games = TaskEnvironments("MinAtar/SpaceInvaders-v1", 1, seed=0, max_episode_steps=5)
    games.reset()
    flags = [games.step(np.array([0])).truncated[0] for _ in range(10)]
    assert flags == [False, False, False, False, True] * 2


@pytest.mark.parametrize("name", ["MinAtar/Pong-v1", "MinAtar/Breakout-v2", "Pong-MinAtar"])
def test_other_games_are_refused_with_those_there_are(name):
    with pytest.raises(InvalidValueError, match="MinAtar/Seaquest-v1"):
        resolve_minatar(name)


def test_nothing_heavy_is_imported():
    code = (
        "import sys, qdiverge.agents.environments.tasks as t; "
        "t.TaskEnvironments('MinAtar/Seaquest-v1', 1, 0).reset(); "
        "print({'minatar', 'matplotlib', 'pandas', 'seaborn', 'tkinter'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_breakout_is_learnt_within_60000_steps(seed):
    """A mean of more than 2.5 over the last 100 training episodes; uniformly random play: 0.5."""
    trainer = Trainer(dataclasses.replace(MINATAR_FAST, seed=seed, total_steps=60_000))
    scores = [record.score for record in trainer.run() if isinstance(record, EpisodeEnd)]
    assert np.mean(scores[:100]) < 1.0
    assert np.mean(scores[-100:]) > 2.5
