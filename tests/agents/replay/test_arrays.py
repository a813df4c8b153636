"""Observations of any shape and kind come back from the replay as they went in."""

import numpy as np
import pytest
import torch

from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.replay.ring import NO_ACTION
from qdiverge.agents.replay.sampling import Sampler
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((3,), np.float32), ((4, 10, 10), np.bool_), ((5, 4, 3), np.uint8), ((), np.int64)],
)
def test_every_transition_is_what_went_in_while_the_ring_overwrites_itself(shape, dtype):
    rng = np.random.default_rng(0)
    replay = ArrayReplay(60, 2, seed=0, shape=shape, dtype=dtype)

    def draw():
        return rng.integers(0, 2 if dtype == np.bool_ else 250, (2, *shape)).astype(dtype)

    s, shown, compared = draw(), {}, 0
    replay.begin(s)
    for t in range(200):
        a, r, s_next, first = rng.integers(4, size=2), rng.normal(size=2), draw(), draw()
        ended = rng.random(2) < 0.2
        for e in range(2):
            slot = e * replay.slots + int(replay.head[e])
            shown[slot] = (s[e], a[e], np.float32(r[e]), s_next[e], ended[e])
        replay.append(a, r, ended, s_next, ended, first)
        s = np.where(ended.reshape(2, *[1] * len(shape)), first, s_next)
        if t % 20 == 19:
            drawn = np.unique(replay.draw(200))
            batch = replay.gather(drawn)
            assert batch.observations.dtype == torch.from_numpy(s).dtype
            columns = zip(*(shown[int(i)] for i in drawn), strict=True)
            for held, expected in zip(vars(batch).values(), columns, strict=True):
                assert np.array_equal(held.numpy(), np.stack(expected))
            compared += len(drawn)
    assert compared > 400
    assert (replay.actions.reshape(-1)[drawn] != NO_ACTION).all()


def test_rewards_are_clipped_to_one_on_either_side_and_kept_whole():
    replay = ArrayReplay(12, 1, seed=0, shape=(1,))
    frame, no = np.zeros((1, 1), dtype=np.float32), np.array([False])
    replay.begin(frame)
    for reward in (-3.0, -0.5, 0.0, 2.0):
        replay.append(np.array([0]), np.array([reward]), no, frame, no, frame)
    for clips, expected in ((True, {-1.0, -0.5, 0.0, 1.0}), (False, {-3.0, -0.5, 0.0, 2.0})):
        config = DQNConfig(clip_rewards=clips, batch_size=200)
        assert (
            set(Sampler(replay, config.sampling, seed=0).sample(step=1).rewards.tolist())
            == expected
        )


def test_what_a_batch_shows_does_not_change_later():
    replay = ArrayReplay(12, 1, seed=0, shape=(2, 2), dtype=np.uint8)
    no = np.array([False])
    replay.begin(np.full((1, 2, 2), 7, dtype=np.uint8))
    replay.append(np.array([0]), np.zeros(1), no, np.full((1, 2, 2), 8, dtype=np.uint8), no, None)
    batch = replay.gather(np.array([0]))
    replay.arrays[:] = 99
    assert batch.observations.unique().tolist() == [7]
    assert batch.next_observations.unique().tolist() == [8]


def test_a_replay_larger_than_the_memory_is_refused_by_the_bytes_of_its_own_observations():
    with pytest.raises(InvalidValueError, match="GB of memory available"):
        ArrayReplay(10**9, 1, seed=0, shape=(4, 10, 10), dtype=np.bool_)
