"""The replay shows exactly what the environment showed, and never what it did not."""

import numpy as np
import pytest
import torch

from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.machine.free_memory import available_memory
from qdiverge.agents.replay import frames as replay_module
from qdiverge.agents.replay.frames import NO_ACTION, FrameReplay, bytes_needed
from qdiverge.errors import InvalidValueError
from tests.chance import assert_drawn


def play(
    num_steps, num_envs, capacity, *, max_episode_frames=108_000, check_every=400, num_games=100
):
    """Random Pong, up to ``num_games``; the replay, held to what the environments showed."""
    environments = AtariEnvironments(
        "Pong", num_envs, seed=3, max_episode_frames=max_episode_frames
    )
    replay = FrameReplay(capacity, num_envs, seed=0)
    rng = np.random.default_rng(1)
    shown = {}  # (ring, slot) → what the environment showed; overwritten as the ring is
    ends = {"terminated": 0, "truncated": 0}
    compared = 0
    observations = environments.reset()
    replay.begin(observations[:, -1])
    for t in range(1, num_steps + 1):
        actions = rng.integers(environments.num_actions, size=num_envs)
        slots = replay.head.copy()
        step = environments.step(actions)
        for e in range(num_envs):
            shown[e, int(slots[e])] = (
                observations[e],
                actions[e],
                step.rewards[e],
                step.next_observations[e],
                step.terminated[e],
            )
            if step.ended[e]:
                shown.pop((e, int(slots[e] + 1) % replay.slots), None)
        replay.append(
            actions,
            step.rewards,
            step.terminated,
            step.next_observations[:, -1],
            step.ended,
            step.observations[:, -1],
        )
        observations = step.observations
        ends["terminated"] += int(step.terminated.sum())
        ends["truncated"] += int(step.truncated.sum())
        is_over = t == num_steps or ends["terminated"] >= num_games
        if t % check_every == 0 or is_over:
            compared += compare(replay, shown)
        if is_over:
            break
    environments.close()
    return replay, ends, compared


def compare(replay, shown):
    """Every transition that may be drawn, against what was shown; returns how many there were."""
    index = [
        e * replay.slots + slot
        for e in range(replay.num_envs)
        for back in range(1, int(replay._drawable()[e]) + 1)
        if replay.actions[e, slot := int((replay.head[e] - back) % replay.slots)] != NO_ACTION
    ]
    for start in range(0, len(index), 256):
        piece = np.array(index[start : start + 256])
        batch = replay.gather(piece)
        expected = [shown[divmod(int(i), replay.slots)] for i in piece]
        s, a, r, s_next, d = (np.stack(column) for column in zip(*expected, strict=True))
        assert np.array_equal(batch.observations.numpy(), s)
        assert np.array_equal(batch.next_observations.numpy(), s_next)
        assert batch.actions.tolist() == a.tolist()
        assert batch.rewards.tolist() == r.tolist()
        assert batch.terminated.tolist() == d.tolist()
    return len(index)


def test_equals_the_environments_stacks_bit_for_bit_over_whole_games():
    _, ends, compared = play(2_500, num_envs=2, capacity=6_000, check_every=2_500, num_games=2)
    assert ends["terminated"] >= 2  # a random game takes 520 to 770 actions of six frames
    assert compared > 1_000


def test_equals_them_while_the_ring_overwrites_itself_and_episodes_are_cut_short():
    replay, ends, compared = play(
        num_steps=500, num_envs=2, capacity=200, max_episode_frames=130, check_every=37
    )
    assert ends["truncated"] > 20
    assert replay.filled.tolist() == [100, 100]
    assert compared > 13 * 160


def test_a_slot_keeps_the_newest_frame_of_a_stack():
    stacks = np.arange(24, dtype=np.uint8).reshape(2, 4, 3, 1)
    assert FrameReplay.part_to_keep(stacks)[:, :, 0].tolist() == [[9, 10, 11], [21, 22, 23]]


def small(capacity=40, num_envs=1, seed=0):
    return FrameReplay(capacity, num_envs, seed, frame_shape=(1, 1))


def fill(replay, num_steps, episode=7):
    """Frame t shows the number t, reward t; an episode ends every ``episode`` steps."""
    everywhere = np.ones(replay.num_envs, dtype=np.uint8)

    def frame(value):
        return (everywhere * (value % 251)).reshape(-1, 1, 1)

    replay.begin(frame(0))
    for t in range(num_steps):
        ended = np.full(replay.num_envs, (t + 1) % episode == 0)
        replay.append(
            everywhere * (t % 5), everywhere * float(t), ended, frame(t + 1), ended, frame(t + 1)
        )


@pytest.mark.parametrize("num_steps", [1, 6, 7, 8, 31, 40, 41, 500])
def test_sampling_is_uniform_over_what_may_be_drawn_and_never_shows_an_episodes_end(num_steps):
    replay = small()
    fill(replay, num_steps)
    drawn = torch.cat([replay.sample(500).rewards for _ in range(20)])
    found, counts = drawn.unique(return_counts=True)
    newest = num_steps - 1
    assert found[-1] == newest
    assert found.tolist() == list(range(int(found[0]), num_steps))  # no hole, no end of an episode
    if num_steps <= 31:
        assert found[0] == 0
    assert_drawn(counts.numpy(), np.full(len(found), 1 / len(found)))


@pytest.mark.parametrize(
    ("num_steps", "expected"), [(1, 1), (35, 35), (36, 36), (37, 36), (500, 36)]
)
def test_what_may_be_drawn_is_all_whose_four_frames_are_in_the_ring(num_steps, expected):
    replay = small(capacity=40)
    fill(replay, num_steps, episode=1_000)
    # 40 slots hold the frames up to the newest, which has no action yet; 3 lead up to the oldest
    assert len(replay) == expected
    batch = replay.sample(1_000)
    found = batch.rewards.unique().tolist()
    assert found == list(range(num_steps - expected, num_steps))
    oldest = batch.select(batch.rewards == found[0])
    frames = [max(num_steps - expected - back, 0) % 251 for back in (3, 2, 1, 0)]
    assert oldest.observations[0].flatten().tolist() == frames


def test_rings_of_unequal_length_are_drawn_in_proportion():
    replay = small(capacity=80, num_envs=2)
    fill(replay, 3)
    frames, no = np.zeros((2, 1, 1), np.uint8), np.zeros(2, bool)
    replay.append(np.zeros(2), np.zeros(2), no, frames, np.array([True, False]), frames)
    replay.append(np.zeros(2), np.array([5.0, 9.0]), no, frames, no, frames)
    assert replay.filled.tolist() == [7, 6]
    rewards = replay.sample(20_000).rewards
    # ten transitions in all, one of them with reward 5 and one with reward 9
    counts = [int((rewards == value).sum()) for value in (5.0, 9.0)]
    assert_drawn([*counts, len(rewards) - sum(counts)], [0.1, 0.1, 0.8])


def test_the_same_seed_draws_the_same_and_leaves_other_generators_alone():
    first, second = small(seed=5), small(seed=5)
    fill(first, 30)
    fill(second, 30)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    assert first.sample(64).rewards.tolist() == second.sample(64).rewards.tolist()
    assert np.array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())


def test_a_batch_is_not_changed_by_later_steps():
    replay = small()
    fill(replay, 30)
    batch = replay.sample(16)
    copies = batch.observations.clone(), batch.rewards.clone()
    fill(replay, 60)
    assert torch.equal(batch.observations, copies[0])
    assert torch.equal(batch.rewards, copies[1])


def test_beginning_anew_in_mid_episode_joins_no_two_episodes():
    replay = small()
    fill(replay, 3, episode=100)
    replay.begin(np.full((1, 1, 1), 200, np.uint8))
    replay.begin(np.full((1, 1, 1), 201, np.uint8))  # nothing happened since: replaces the frame
    no = np.zeros(1, bool)
    frame = np.full((1, 1, 1), 202, np.uint8)
    replay.append(np.zeros(1), np.array([50.0]), no, frame, no, frame)
    batch = replay.sample(200)
    assert set(batch.rewards.tolist()) == {0.0, 1.0, 2.0, 50.0}
    last = batch.select(batch.rewards == 2.0)  # of the episode that was cut off, which it ends
    assert last.next_observations[0].flatten().tolist() == [0, 1, 2, 3]
    after = batch.select(batch.rewards == 50.0)
    assert after.observations[0].flatten().tolist() == [0, 0, 0, 201]
    assert after.next_observations[0].flatten().tolist() == [0, 0, 201, 202]


def test_a_transition_takes_7063_bytes():
    replay = FrameReplay(1_000, num_envs=4, seed=0)
    held = sum(array.nbytes for array in vars(replay).values() if isinstance(array, np.ndarray))
    counters = replay.head, replay.filled, replay.begun, replay._window
    overhead = sum(counter.nbytes for counter in counters)
    assert held - overhead == bytes_needed(1_000) == 7_063_000


def test_refuses_before_allocating_and_names_the_capacity_that_fits(monkeypatch):
    monkeypatch.setattr(replay_module, "available_memory", lambda: 1_000_000_000)
    monkeypatch.setattr(np, "zeros", lambda *_, **__: pytest.fail("allocated"))
    with pytest.raises(InvalidValueError, match=r"7\.06 GB.*set buffer_size to 120,000"):
        FrameReplay(1_000_000, num_envs=1, seed=0)
    assert bytes_needed(120_000) <= 0.9e9 < bytes_needed(130_000)


def test_goes_ahead_where_the_system_does_not_say_how_much_memory_it_has(monkeypatch):
    monkeypatch.setattr(replay_module, "available_memory", lambda: None)
    assert FrameReplay(100, num_envs=1, seed=0).slots == 100


def test_available_memory_is_at_most_the_machines():
    found = available_memory()
    assert found is None or 0 < found < 2**50


def test_refuses_a_capacity_too_small_for_its_environments():
    with pytest.raises(InvalidValueError, match="at least 48 transitions, 6 for each of 8"):
        FrameReplay(40, num_envs=8, seed=0)


def test_refuses_to_sample_before_the_first_transition():
    replay = small()
    replay.begin(np.zeros((1, 1, 1), np.uint8))
    with pytest.raises(InvalidValueError, match="hold a transition"):
        replay.sample(4)
