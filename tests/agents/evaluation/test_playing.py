"""Exactly the episodes asked for, whole, and without a preference for short ones."""

import numpy as np
import pytest

from qdiverge.agents.discrete.policies import EpsilonGreedy
from qdiverge.agents.environments.experience import Episode, VectorStep
from qdiverge.agents.environments.tasks import TaskEnvironments
from qdiverge.agents.evaluation.environments import environments_under
from qdiverge.agents.evaluation.playing import RandomPolicy, explorer_of, play, quotas
from qdiverge.agents.evaluation.protocols import NATURE
from qdiverge.agents.settings.dqn_config import DQNConfig

SEED = np.random.SeedSequence(4)


class Clockwork:
    """Environment e plays episodes of length e + 1 for ever; a reward of 1 a step."""

    num_actions = 2

    def __init__(self, num_envs):
        self.num_envs = num_envs

    def reset(self):
        self.t = np.zeros(self.num_envs, dtype=int)
        return np.zeros((self.num_envs, 1), dtype=np.float32)

    def step(self, actions):
        self.t += 1
        ended = self.t > np.arange(self.num_envs)
        episodes = tuple(
            Episode(int(e), float(self.t[e]), int(self.t[e]), 4 * int(self.t[e]), True)
            for e in ended.nonzero()[0]
        )
        self.t[ended] = 0
        observations, no = np.zeros((self.num_envs, 1), dtype=np.float32), np.zeros_like(ended)
        ones = np.ones(self.num_envs, dtype=np.float32)
        return VectorStep(observations, observations, ones, ended, no, no, episodes)


@pytest.mark.parametrize(("num_episodes", "num_envs"), [(1, 1), (7, 3), (30, 10), (12, 12)])
def test_long_episodes_count_as_often_as_short_ones(num_episodes, num_envs):
    environments, told = Clockwork(num_envs), []
    episodes = play(environments, RandomPolicy(EpsilonGreedy(2, SEED)), num_episodes, told.append)
    lengths = [played.episode.length for played in episodes]
    shares = quotas(num_episodes, num_envs)
    assert sum(shares) == len(lengths) == len(told) == num_episodes
    assert max(shares) - min(shares) <= 1
    assert lengths == [e + 1 for e, share in enumerate(shares) for _ in range(share)]
    assert all(len(played.rewards) == played.episode.length for played in episodes)


def test_the_rewards_of_every_episode_add_up_to_its_score_and_a_cap_cuts_it():
    protocol = NATURE.changed(episodes=4)
    capped = type(protocol)(**{**vars(protocol), "max_episode_frames": 600})
    for name in ("Breakout", "SpaceInvaders"):
        config = DQNConfig(environment=name)
        environments = environments_under(capped, config, 2, SEED)
        episodes = play(environments, RandomPolicy(explorer_of(environments, SEED)), 4)
        environments.close()
        assert [played.episode.environment for played in episodes] == [0, 0, 1, 1]
        for played in episodes:
            episode = played.episode
            assert played.rewards.sum() == episode.score
            assert len(played.rewards) == len(played.values) == episode.length
            if not episode.terminated:
                assert episode.length == 150  # 600 frames of four
                # no-ops, and the fire button with its reset, come before the first
                assert 600 <= episode.frames <= 600 + 4 * 31


def test_episodes_of_a_task_are_whole_and_end_by_its_time_limit():
    tasks = TaskEnvironments("MountainCar-v0", num_envs=2, seed=0)
    episodes = play(tasks, RandomPolicy(EpsilonGreedy(3, SEED)), 3)
    tasks.close()
    assert [played.episode.length for played in episodes] == [200, 200, 200]
    assert not any(played.episode.terminated for played in episodes)
