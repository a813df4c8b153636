"""Returns over n steps against a slow walk through what the environments really showed."""

import dataclasses

import numpy as np
import pytest
import torch

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.networks import MLP
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.replay.frames import FrameReplay
from qdiverge.agents.replay.n_step import n_step_returns
from qdiverge.agents.replay.ring import NO_ACTION
from qdiverge.agents.replay.sampling import LearnerBatch, Sampler
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from qdiverge.transitions import Transitions


@dataclasses.dataclass
class Step:
    """One transition as the environment showed it; ``ends``: the episode was over after it."""

    s: np.ndarray
    a: int
    r: float
    s_next: np.ndarray
    terminated: bool
    ends: bool


def slow_n_step(steps, t, n, discount, clip):
    """(R, s_{t+k}, d, γ^k) by walking along the stream, one float64 addition at a time."""
    R, k = 0.0, 0
    while True:
        step = steps[t + k]
        r = float(np.clip(np.float32(step.r), -1, 1)) if clip else float(np.float32(step.r))
        R += discount**k * r
        k += 1
        if k == n or step.terminated or step.ends or t + k == len(steps):
            return np.float32(R), step.s_next, step.terminated, np.float32(discount**k)


def compare(replay, streams, slots, config):
    """Every drawable transition, bit for bit; returns how many there were, by k."""
    sampler = Sampler(replay, config.sampling, seed=0)
    where = {at: (e, t) for e, own in enumerate(slots) for t, at in enumerate(own)}
    index = np.array(
        [
            e * replay.slots + position
            for e in range(replay.num_envs)
            for back in range(1, int(replay._drawable()[e]) + 1)
            if replay.actions[e, position := int((replay.head[e] - back) % replay.slots)]
            != NO_ACTION
        ]
    )
    discounts = []
    for start in range(0, len(index), 128):
        piece = index[start : start + 128]
        batch, discount = sampler._several_steps(piece)
        for row, at in enumerate(piece):
            e, t = where[int(at)]
            R, s_after, d, γ_k = slow_n_step(
                streams[e], t, config.n_step, config.discount, config.clip_rewards
            )
            assert batch.rewards[row].item() == R
            assert discount[row].item() == γ_k
            assert bool(batch.terminated[row]) == d
            assert batch.actions[row] == streams[e][t].a
            assert np.array_equal(batch.observations[row].numpy(), streams[e][t].s)
            assert np.array_equal(batch.next_observations[row].numpy(), s_after)
        discounts += discount.tolist()
    return len(index), {k: int(np.isclose(discounts, config.discount**k).sum()) for k in range(9)}


@pytest.mark.parametrize("n", [3, 5])
def test_equals_the_slow_walk_bit_for_bit_over_pong_with_short_episodes(n):
    config = DQNConfig(n_step=n, num_envs=2, buffer_size=600)
    games = AtariEnvironments("Pong", 2, seed=3, max_episode_frames=130)  # 33 agent steps
    replay = FrameReplay(600, 2, seed=0)
    rng = np.random.default_rng(1)
    streams, slots = [[], []], [[], []]
    observations = games.reset()
    replay.begin(observations[:, -1])
    for t in range(420):
        actions = rng.integers(games.num_actions, size=2)
        step = games.step(actions)
        stop = step.terminated | (rng.random(2) < 0.02)  # as where a life is lost
        for e in range(2):
            slots[e].append(e * replay.slots + int(replay.head[e]))
            streams[e].append(
                Step(
                    observations[e],
                    actions[e],
                    step.rewards[e],
                    step.next_observations[e],
                    bool(stop[e]),
                    bool(step.ended[e]),
                )
            )
        replay.append(
            actions,
            step.rewards,
            stop,
            step.next_observations[:, -1],
            step.ended,
            step.observations[:, -1],
        )
        observations = step.observations
        if t == 200:
            compare(replay, streams, slots, config)
    games.close()
    compared, by_steps = compare(replay, streams, slots, config)
    assert compared > 550  # the ring of 300 slots has long overwritten itself
    assert by_steps[n] > 400
    assert all(by_steps[k] > 5 for k in range(1, n))  # the tails are there


@pytest.mark.parametrize("n", [1, 2, 3, 8])
@pytest.mark.parametrize("clip", [True, False])
def test_equals_it_on_a_stream_of_many_short_episodes(n, clip):
    config = DQNConfig(n_step=n, num_envs=3, buffer_size=240, clip_rewards=clip, discount=0.9)
    replay = ArrayReplay(240, 3, seed=0, shape=(2,))
    rng = np.random.default_rng(n)
    streams, slots = [[], [], []], [[], [], []]
    s = rng.random((3, 2), dtype=np.float32)
    replay.begin(s)
    for _ in range(500):
        a, r = rng.integers(4, size=3), rng.normal(size=3) * 2
        terminated, truncated = rng.random(3) < 0.15, rng.random(3) < 0.15
        # as where a life is lost, half of the terminations let the episode go on
        ended = (terminated & (rng.random(3) < 0.5)) | truncated
        s_next = rng.random((3, 2), dtype=np.float32)
        first = rng.random((3, 2), dtype=np.float32)
        for e in range(3):
            slots[e].append(e * replay.slots + int(replay.head[e]))
            streams[e].append(
                Step(s[e], a[e], r[e], s_next[e], bool(terminated[e]), bool(ended[e]))
            )
        replay.append(a, r, terminated, s_next, ended, first)
        s = np.where(ended[:, None], first, s_next)
    compared, by_steps = compare(replay, streams, slots, config)
    assert compared > 150
    assert n > 5 or by_steps[n] > 10


def test_the_target_by_hand_terminated_truncated_and_whole():
    """y = R + γ^k (1 − d) max Q: 2 + .5 + .25·8, 2 + .5, 2 + .5·8 with γ = 1/2 and Q = 8."""
    agent = DQN(MLP([1, 2]), DQNConfig(discount=0.5, n_step=2, buffer_size=100))
    with torch.no_grad():
        agent.target_network.layers[0].weight.zero_()
        agent.target_network.layers[0].bias.copy_(torch.tensor([8.0, 1.0]))
    yes, no = True, False
    found = n_step_returns(
        np.array([[2.0, 1.0]] * 3),
        np.array([[yes, yes], [yes, yes], [yes, no]]),
        np.array([[no, no], [no, yes], [no, no]]),
        discount=0.5,
    )
    s = torch.zeros(3, 1)
    batch = LearnerBatch(
        observations=s,
        actions=torch.zeros(3, dtype=torch.long),
        rewards=torch.from_numpy(found.returns),
        next_observations=s,
        terminated=torch.from_numpy(found.terminated),
        discounts=torch.from_numpy(found.discounts),
        weights=torch.ones(3),
        index=torch.arange(3),
    )
    assert agent.targets(batch).tolist() == [4.5, 2.5, 6.0]


def test_a_run_of_several_steps_learns_from_them_and_refuses_plain_batches():
    options = {"total_steps": 60, "num_envs": 2, "learning_starts": 40, "buffer_size": 500}
    config = DQNConfig(**options, batch_size=4, n_step=3)
    seen = []
    list(Trainer(config, transform_batch=lambda batch: seen.append(batch) or batch).run())
    γ = config.discount
    allowed = torch.tensor([γ, γ**2, γ**3])
    for batch in seen:
        assert isinstance(batch, LearnerBatch)
        assert torch.isin(batch.discounts, allowed).all()

    def forget(batch):
        return Transitions(*(getattr(batch, f.name) for f in dataclasses.fields(Transitions)))

    with pytest.raises(InvalidValueError, match=r"dataclasses\.replace"):
        list(Trainer(config, transform_batch=forget).run())


@pytest.mark.parametrize(
    ("n", "says"), [(0, "n_step must be an integer"), (6, "at least 12, twice the n steps")]
)
def test_impossible_numbers_of_steps_are_refused(n, says):
    with pytest.raises(InvalidValueError, match=says):
        DQNConfig(n_step=n, num_envs=1, buffer_size=10)
