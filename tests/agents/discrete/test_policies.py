"""Boltzmann exploration and optimistic starts: probabilities, schedules, and what a run does."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.agents.discrete.policies import Boltzmann, boltzmann
from qdiverge.agents.networks import MLP, CategoricalQ, MinAtarNetwork, NatureNetwork, start_at
from qdiverge.agents.networks.optimism import tilted_logits
from qdiverge.agents.records import UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from tests.chance import assert_drawn

TINY = DQNConfig(
    environment="CartPole-v1",
    total_steps=240,
    num_envs=2,
    learning_starts=100,
    buffer_size=200,
    batch_size=8,
    hidden_sizes=(16,),
    exploration_steps=200,
)


def test_the_softmax_by_hand_and_at_its_ends():
    q = np.array([[1.0, 2.0, 4.0]])
    weights = np.exp([0.5, 1.0, 2.0])
    np.testing.assert_allclose(boltzmann(q, 2.0)[0], weights / weights.sum())
    np.testing.assert_allclose(boltzmann(q, 1e9)[0], [1 / 3] * 3)
    np.testing.assert_allclose(boltzmann(q, 1e-3)[0], [0, 0, 1], atol=1e-300)
    huge = boltzmann(np.array([[-1e30, 1e30]], np.float32), 1e-6)  # no overflow
    assert huge.tolist() == [[0.0, 1.0]]
    np.testing.assert_allclose(boltzmann(q + 100.0, 2.0), boltzmann(q, 2.0))


def test_actions_are_drawn_by_their_probabilities():
    q = np.log([[0.1, 0.2, 0.7]])
    drawn = Boltzmann(seed=0).draw(np.repeat(q, 20_000, axis=0), 1.0)
    assert_drawn(np.bincount(drawn, minlength=3), [0.1, 0.2, 0.7])


def test_a_boltzmann_run_cools_down_from_play_at_random():
    config = TINY.adapted(exploration="boltzmann", temperature_start=5.0, temperature_end=1.0)
    trainer = Trainer(config, log_period=1)
    assert (trainer.epsilon, trainer.temperature) == (1.0, 5.0)
    updates = [record for record in trainer.run() if isinstance(record, UpdateRecord)]
    assert {update.epsilon for update in updates} == {0.0}
    temperatures = [update.temperature for update in updates]
    expected = [5.0 - 4.0 * min(update.step / 200, 1.0) for update in updates]
    assert temperatures == pytest.approx(expected)
    again = list(Trainer(config, log_period=1).run())[-2]
    assert dataclasses.replace(again, steps_per_second=0.0) == dataclasses.replace(
        updates[-1], steps_per_second=0.0
    )
    plain = list(Trainer(TINY, log_period=1).run())[-2]
    assert plain.temperature is None
    assert plain.loss != updates[-1].loss


def test_a_hot_boltzmann_policy_is_uniform_and_a_cold_one_is_greedy():
    greedy = {}
    for temperature in (1e6, 1e-6):
        config = TINY.adapted(
            exploration="boltzmann",
            temperature_start=temperature,
            temperature_end=temperature,
            learning_starts=0,
            total_steps=400,
            train_period=10_000,  # no update: the same policy throughout
        )
        trainer = Trainer(config)
        list(trainer.run())
        held = trainer.replay.actions[trainer.replay.actions < 255]
        index = np.flatnonzero(trainer.replay.actions.reshape(-1) < 255)
        with torch.no_grad():
            best = trainer.q_network(trainer.replay.states(index)).argmax(1).numpy()
        greedy[temperature] = held == best
    assert greedy[1e-6].all()
    assert_drawn(np.bincount(greedy[1e6], minlength=2), [0.5, 0.5])  # whatever was greedy then


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.floats(0.001, 0.999), st.floats(-50, 50), st.floats(0.1, 100))
def test_the_tilted_distribution_has_its_mean(num, share, low, width):
    support = torch.linspace(low, low + width, num, dtype=torch.float64)
    mean = low + share * width
    p = tilted_logits(support, mean).softmax(0)
    assert float((p * support).sum()) == pytest.approx(mean, abs=1e-6 * width)
    ratios = (p[1:] / p[:-1])[p[1:] > 1e-290]  # exponential in z: the largest entropy
    torch.testing.assert_close(ratios, ratios[:1].expand_as(ratios))


NETWORKS = {
    "mlp": lambda options: MLP([4, 32, 3], **options),
    "linear": lambda options: MLP([4, 3], **options),
    "minatar": lambda options: MinAtarNetwork((4, 10, 10), 3, **options),
    "nature": lambda options: NatureNetwork(3, **options),
}
SHAPES = {"mlp": (4,), "linear": (4,), "minatar": (4, 10, 10), "nature": (4, 84, 84)}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("distributional", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
def test_every_network_starts_at_the_optimistic_value(name, dueling, distributional, noisy):
    """Q = value + w·φ: with w = 0 exactly the value, and near it with the weights as they start."""
    torch.manual_seed(0)
    options = {"dueling": dueling, "noisy": noisy, "num_atoms": 51 if distributional else 1}
    network = NETWORKS[name](options)
    if distributional:
        network = CategoricalQ(network, value_min=-10.0, value_max=10.0, num_atoms=51)
    s = torch.rand(5, *SHAPES[name])
    before = network(s).detach()
    assert float(before.abs().max()) < 1.5
    state = torch.get_rng_state()
    start_at(network, 5.0)
    assert torch.equal(state, torch.get_rng_state())
    after = network(s).detach()
    assert float((after - 5.0).abs().max()) < 1.5
    modules = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    outputs = [m for m in modules if m.out_features in (1, 3, 51, 153)]
    with torch.no_grad():
        for layer in outputs:
            layer.weight.zero_()
            if layer.out_features not in (1, 51) and dueling:
                layer.bias.zero_()
    torch.testing.assert_close(network(s), torch.full((5, 3), 5.0), atol=1e-4, rtol=0)


def test_an_optimistic_run_starts_there_with_its_target_and_else_as_any_other():
    config = TINY.adapted(optimistic_value=20.0)
    trainer = Trainer(config)
    s = torch.rand(6, 4)
    assert trainer.target_network is not None
    for network in (trainer.q_network, trainer.target_network):
        assert float((network(s).detach() - 20.0).abs().max()) < 1.0
    plain = Trainer(TINY)
    pairs = zip(trainer.q_network.parameters(), plain.q_network.parameters(), strict=True)
    assert [torch.equal(a, b) for a, b in pairs] == [True, True, True, False]  # the last bias
    trainer.close()
    plain.close()
