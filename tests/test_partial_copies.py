"""Copies of replays that are not full yet: equal where in use, and no more is copied."""

import copy

import numpy as np
import pytest

from qdiverge.agents.replay.frames import FrameReplay
from qdiverge.partial_copies import copied_up_to


def filled(num_steps, capacity=64, num_envs=2):
    rng = np.random.default_rng(0)

    def frames():
        return rng.integers(1, 256, (num_envs, 3, 3), dtype=np.uint8)

    replay = FrameReplay(capacity, num_envs=num_envs, seed=0, frame_shape=(3, 3))
    replay.begin(frames())
    for _ in range(num_steps):
        ended = rng.random(num_envs) < 0.2
        actions = rng.integers(4, size=num_envs)
        replay.append(actions, np.ones(num_envs), ended, frames(), ended, frames())
    return replay


@pytest.mark.parametrize("num_steps", [1, 9, 200])
def test_a_copy_of_a_replay_goes_on_alike_and_alone(num_steps):
    replay = filled(num_steps)
    twin = copy.deepcopy(replay)
    for name, value in vars(replay).items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, vars(twin)[name], equal_nan=value.dtype.kind == "f"), name
            assert not np.shares_memory(value, vars(twin)[name]), name
    one, other = replay.sample(16), twin.sample(16)
    assert all(
        (a == b).all() for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )
    before = replay.frames.copy()
    twin.frames[:] = 0
    assert np.array_equal(replay.frames, before)


def test_bytes_in_use_are_those_of_what_was_written():
    assert filled(1_000).bytes_in_use == filled(1_000).frames.nbytes
    young = filled(3)
    assert 0 < young.bytes_in_use < young.frames.nbytes / 2


@pytest.mark.parametrize("axis", [0, 1])
def test_only_what_is_in_use_is_read(axis):
    array = np.moveaxis(np.ones((6, 4)), 0, axis)  # the rest counts as zeros, whatever it is
    copied = np.moveaxis(copied_up_to(array, 2, axis), axis, 0)
    assert (copied[:2] == 1).all()
    assert (copied[2:] == 0).all()
