"""The sum tree against plain sums, and prioritised sampling against its probabilities."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.agents.records import UpdateRecord
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.replay.priorities import SMALLEST_PRIORITY, Priorities, SumTree
from qdiverge.agents.replay.ring import NO_ACTION
from qdiverge.agents.replay.sampling import LearnerBatch, Sampler
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from tests.chance import assert_drawn


@pytest.mark.parametrize(("capacity", "size"), [(1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
def test_the_tree_is_no_larger_than_it_must_be(capacity, size):
    assert SumTree(capacity).size == size
    assert len(SumTree(capacity).nodes) == 2 * size


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 39), st.sampled_from([0.0, 0.1, 1.0, 7.5])), max_size=60),
)
def test_the_tree_is_a_running_sum(capacity, changes):
    """Every node the sum of its leaves; ``find`` as searchsorted, and never at a zero."""
    tree, plain = SumTree(capacity), np.zeros(capacity)
    for at, weight in changes:
        tree.set(np.array([at % capacity]), weight)
        plain[at % capacity] = weight
    np.testing.assert_allclose(tree.total, plain.sum(), rtol=1e-12)
    assert tree.get(np.arange(capacity)).tolist() == plain.tolist()
    if plain.sum() > 0:
        masses = np.linspace(0, tree.total, 50, endpoint=False)
        found = tree.find(masses)
        assert (plain[found] > 0).all()
        ends = plain.cumsum()[found]
        assert (masses <= ends + 1e-9).all()
        assert (masses >= ends - plain[found] - 1e-9).all()


def test_many_changes_at_once_leave_no_drift():
    tree, rng = SumTree(1_000), np.random.default_rng(0)
    for _ in range(300):
        tree.set(rng.integers(1_000, size=64), rng.random(64) * 10.0 ** rng.integers(-9, 9))
    for level in range(1, 10):
        nodes = tree.nodes[2**level : 2 ** (level + 1)]
        np.testing.assert_array_equal(
            tree.nodes[2 ** (level - 1) : 2**level], nodes.reshape(-1, 2).sum(1)
        )
    tree.set(np.arange(1_000), 0.0)
    assert tree.total == 0.0


def test_even_a_mass_at_the_very_end_finds_a_weight():
    tree = SumTree(5)
    tree.set(np.array([1]), 0.3)
    assert tree.find(np.array([0.3, 1.0, 0.0])).tolist() == [1, 1, 1]


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_draws_follow_the_probabilities_and_the_weights_undo_them(exponent):
    priorities = Priorities(8, exponent=exponent, seed=0)
    index = np.array([0, 1, 2, 5])
    errors = np.array([0.0, 1.0, -2.0, 4.0])
    priorities.add(index)
    priorities.update(index, errors)
    p = (np.abs(errors) + SMALLEST_PRIORITY) ** exponent
    P = p / p.sum()
    draws, of_draws = zip(*(priorities.draw(64, beta=1.0) for _ in range(400)), strict=True)
    drawn, weights = np.concatenate(draws), np.concatenate(of_draws)
    counts = np.array([(drawn == i).sum() for i in index])
    assert counts.sum() == len(drawn)
    assert_drawn(counts, P)  # stratified draws vary less than independent ones
    if exponent == 0:
        assert set(weights.tolist()) == {1.0}
    # w ∝ 1/P: with β = 1, w_i P_i is the same for all that one batch holds
    batch, own = draws[0], priorities.draw(64, beta=1.0)
    of = dict(zip(index.tolist(), P.tolist(), strict=True))
    products = [w * of[int(i)] for i, w in zip(*own, strict=True)]
    np.testing.assert_allclose(products, products[0], rtol=1e-5)
    assert own[1].max() == 1.0
    assert len(batch) == 64


def test_the_weights_by_hand():
    priorities = Priorities(2, exponent=1.0, seed=0)
    priorities.update(np.array([0, 1]), np.array([3.0, 1.0]))
    _, weights = priorities.draw(4, beta=0.5)  # P = 3/4, 1/4; (P_i / P_min)^−1/2
    np.testing.assert_allclose(weights, [3**-0.5, 3**-0.5, 3**-0.5, 1.0], rtol=1e-6)


def test_a_new_transition_has_the_largest_priority_so_far():
    priorities = Priorities(4, exponent=1.0, seed=0)
    priorities.add(np.array([0]))
    priorities.update(np.array([0]), np.array([9.0]))
    priorities.update(np.array([0]), np.array([0.5]))
    priorities.add(np.array([1]))
    np.testing.assert_allclose(priorities.tree.get(np.array([0, 1])), [0.5, 9.0], rtol=1e-5)


def test_an_empty_replay_is_refused():
    with pytest.raises(InvalidValueError, match="hold a transition"):
        Priorities(4, exponent=1.0, seed=0).draw(2, beta=1.0)


@pytest.mark.parametrize("num_steps", [1, 10, 33, 200])
def test_exactly_the_drawable_transitions_have_a_priority(num_steps):
    config = DQNConfig(prioritized=True, num_envs=2, buffer_size=60)
    replay = ArrayReplay(60, 2, seed=0, shape=(1,))
    sampler = Sampler(replay, config.sampling, seed=0)
    rng = np.random.default_rng(0)
    s = np.zeros((2, 1), np.float32)
    replay.begin(s)
    for _ in range(num_steps):
        ended = rng.random(2) < 0.2
        replay.append(rng.integers(3, size=2), rng.normal(size=2), ended, s, ended, s)
    has = replay.priorities.tree.get(np.arange(60)).reshape(2, 30) > 0
    for e in range(2):
        backs = range(1, int(replay._drawable()[e]) + 1)
        drawable = {int((replay.head[e] - back) % 30) for back in backs}
        with_action = {slot for slot in drawable if replay.actions[e, slot] != NO_ACTION}
        assert set(has[e].nonzero()[0].tolist()) == with_action
    batch = sampler.sample(0)
    assert isinstance(batch, LearnerBatch)
    sampler.learnt(batch, torch.full((32,), 5.0))
    p = replay.priorities.tree.get(batch.index.numpy())
    np.testing.assert_allclose(p, 5.0**0.6, rtol=1e-5)


def test_beta_rises_to_one_over_the_run():
    config = DQNConfig(prioritized=True, num_envs=1, buffer_size=60, total_steps=100, batch_size=64)
    replay = ArrayReplay(60, 1, seed=0, shape=(1,))
    sampler = Sampler(replay, config.sampling, seed=0)
    s, no = np.zeros((1, 1), np.float32), np.zeros(1, bool)
    replay.begin(s)
    for _ in range(2):
        replay.append(np.zeros(1), np.zeros(1), no, s, no, s)
    replay.priorities.update(np.array([0, 1]), np.array([1.0, 15.0]))
    ratio = (1 / 15) ** 0.6
    for step, beta in ((0, 0.4), (50, 0.7), (100, 1.0), (900, 1.0)):
        batch = sampler.sample(step)
        assert isinstance(batch, LearnerBatch)
        assert batch.weights.min().item() == pytest.approx(ratio**beta, rel=1e-5)


@pytest.mark.parametrize("n_step", [1, 3])
def test_a_prioritised_run_on_pong_revisits_what_surprised(n_step):
    config = DQNConfig(
        total_steps=80,
        num_envs=2,
        learning_starts=40,
        buffer_size=500,
        batch_size=4,
        prioritized=True,
        n_step=n_step,
        double=True,
    )
    trainer = Trainer(config, log_period=1)
    updates = [record for record in trainer.run() if isinstance(record, UpdateRecord)]
    assert len(updates) == 10
    assert all(math.isfinite(update.loss) for update in updates)
    held = trainer.replay.priorities.tree.get(np.arange(500))
    assert len(np.unique(held[held > 0])) > 4  # those learnt from differ from the new ones' 1
