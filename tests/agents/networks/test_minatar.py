"""The network of MinAtar: the paper's shapes, every part, an exact kernel."""

import pytest
import torch

import qdiverge as qd
from qdiverge.agents.networks import MinAtarNetwork
from qdiverge.agents.networks.heads import Dueling
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig


@pytest.mark.parametrize("channels", [4, 6, 7, 10])  # of the five games
def test_the_layers_are_the_papers(channels):
    network = MinAtarNetwork((channels, 10, 10), num_actions=6)
    shapes = [tuple(weight.shape) for weight in network.parameters() if weight.ndim > 1]
    assert shapes == [(16, channels, 3, 3), (128, 1024), (6, 128)]


@pytest.mark.parametrize(
    ("factor", "sizes"),
    [(0.25, [(4, 4, 3, 3), (32, 256), (3, 32)]), (2.0, [(32, 4, 3, 3), (256, 2048), (3, 256)])],
)
def test_a_factor_scales_every_hidden_width(factor, sizes):
    network = MinAtarNetwork((4, 10, 10), num_actions=3, width_factor=factor)
    assert [tuple(weight.shape) for weight in network.parameters() if weight.ndim > 1] == sizes


def test_its_values_are_those_of_the_layers_written_out():
    torch.manual_seed(0)
    network = MinAtarNetwork((4, 10, 10), num_actions=3).double()
    W, b, V, c, U, d = network.parameters()
    s = torch.rand(5, 4, 10, 10) < 0.3
    patches = s.double().unfold(2, 3, 1).unfold(3, 3, 1)  # [N, C, 8, 8, 3, 3]
    x = torch.einsum("ncijkl,ockl->noij", patches, W) + b[:, None, None]
    hidden = (x.relu().flatten(1) @ V.T + c).relu()
    torch.testing.assert_close(network(s), hidden @ U.T + d)


@pytest.mark.parametrize("parts", [{"dueling": True}, {"layer_norm": True}, {"noisy": True}])
def test_every_part_is_in_it(parts):
    network = MinAtarNetwork((4, 10, 10), num_actions=3, **parts)
    kind = {"dueling": Dueling, "layer_norm": torch.nn.LayerNorm, "noisy": NoisyLinear}
    assert any(isinstance(module, kind[next(iter(parts))]) for module in network.modules())
    assert network(torch.ones(2, 4, 10, 10, dtype=torch.bool)).shape == (2, 3)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_kernel_is_exact_on_observations_of_booleans(layer_norm):
    torch.manual_seed(0)
    network = MinAtarNetwork((4, 10, 10), 3, dueling=True, layer_norm=layer_norm).double()
    s, a = torch.rand(6, 4, 10, 10) < 0.2, torch.tensor([0, 1, 2, 0, 1, 2])
    exact = qd.empirical_ntk(network, s, a, method="reference")
    torch.testing.assert_close(qd.empirical_ntk(network, s, a), exact)


def test_all_parts_together_run_on_the_game():
    config = DQNConfig(
        environment="MinAtar/Asterix-v1",
        total_steps=80,
        num_envs=2,
        learning_starts=40,
        buffer_size=500,
        batch_size=4,
        dueling=True,
        layer_norm=True,
        noisy=True,
        prioritized=True,
        n_step=3,
        double=True,
    )
    trainer = Trainer(config)
    assert isinstance(trainer.q_network, MinAtarNetwork)
    assert list(trainer.run())[-1].update == 10
    assert isinstance(trainer.replay, ArrayReplay)
    assert trainer.replay.arrays.dtype == bool
