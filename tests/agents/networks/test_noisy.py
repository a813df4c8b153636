"""Noisy layers: their distribution, their silence between two draws, and a run with them."""

import math

import pytest
import torch

import qdiverge as qd
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.networks import MLP
from qdiverge.agents.networks.noisy import NoisyLinear, resample_noise
from qdiverge.agents.records import UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.diagnostics.hidden_activations import layer_inputs
from tests.chance import SIGMAS


def test_the_noise_has_mean_zero_and_the_variance_of_a_root_of_a_normal():
    """E ε = 0 and E ε² = E|z| = √(2/π); E ε⁴ = E z² = 1."""
    layer, generator = NoisyLinear(40_000, 1), torch.Generator().manual_seed(0)
    resample_noise(layer, generator)
    ε, num = layer.noise_in.double(), 40_000
    second = math.sqrt(2 / math.pi)
    assert abs(float(ε.mean())) <= SIGMAS * math.sqrt(second / num)
    assert abs(float(ε.square().mean()) - second) <= SIGMAS * math.sqrt((1 - second**2) / num)


def test_without_noise_it_is_a_linear_layer_and_its_scale_starts_as_in_the_paper():
    layer = NoisyLinear(16, 3)
    x = torch.randn(5, 16)
    torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
    assert set(layer.weight_scale.flatten().tolist()) == {0.125}  # .5 / √16


def test_noise_changes_when_it_is_drawn_and_at_no_other_time():
    torch.manual_seed(0)
    network = MLP([3, 8, 2], noisy=True)
    s = torch.randn(4, 3)
    resample_noise(network, torch.Generator().manual_seed(1))
    before = network(s)
    state = torch.get_rng_state()
    assert torch.equal(network(s), before)
    resample_noise(network, torch.Generator().manual_seed(2))
    assert not torch.equal(network(s), before)
    assert torch.equal(state, torch.get_rng_state())
    resample_noise(network, torch.Generator().manual_seed(1))
    assert torch.equal(network(s), before)


def test_online_and_target_network_have_noise_of_their_own_at_every_update():
    torch.manual_seed(0)
    agent = DQN(MLP([3, 8, 2], noisy=True), DQNConfig(noisy=True))
    agent.resample_noise()
    online, target = (n.layers[-1].noise_in for n in (agent.q_network, agent.target_network))
    assert not torch.equal(online, target)
    assert bool(online.any())
    assert bool(target.any())


@pytest.mark.parametrize("dueling", [False, True])
def test_the_kernel_of_a_noisy_network_is_exact_and_its_layers_are_seen(dueling):
    torch.manual_seed(0)
    network = MLP([3, 8, 4], noisy=True, dueling=dueling).double()
    resample_noise(network, torch.Generator().manual_seed(1))
    s, a = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])
    exact = qd.empirical_ntk(network, s, a, method="reference")
    torch.testing.assert_close(qd.empirical_ntk(network, s, a), exact)
    assert len(layer_inputs(network, s)) == (4 if dueling else 2)


def test_a_noisy_run_explores_by_its_weights_alone():
    config = DQNConfig(
        environment="CartPole-v1",
        total_steps=300,
        num_envs=2,
        learning_starts=100,
        buffer_size=500,
        noisy=True,
        dueling=True,
    )
    trainer = Trainer(config, log_period=1)
    before = torch.get_rng_state()
    updates = [record for record in trainer.run() if isinstance(record, UpdateRecord)]
    assert torch.equal(before, torch.get_rng_state())
    assert {update.epsilon for update in updates} == {0.0}
    assert all(math.isfinite(update.loss) for update in updates)
    scales = trainer.q_network.layers[-1].advantage[-1].weight_scale
    assert scales.unique().numel() > 1  # the noise is learnt
