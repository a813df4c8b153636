"""Bootstrap rules, dueling heads, layer norm, Polyak targets and optimisers, by hand."""

import dataclasses
import math

import pytest
import torch

import qdiverge as qd
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.discrete.optimizers import NatureRMSprop
from qdiverge.agents.losses import td_loss
from qdiverge.agents.networks import MLP, NatureNetwork, channels_last
from qdiverge.agents.networks.heads import Dueling
from qdiverge.agents.records import UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from qdiverge.kernel.precondition import from_optimizer
from qdiverge.transitions import Transitions
from tests.agents.discrete.chain import three_state_chain

RULES = ("q", "target_q", "inverse_double_q", "double_q")


def linear_agent(**options):
    """Q(s, ·) = bias: online (1, 3, 2), target (50, 20, 10)."""
    defaults = {"optimizer": "sgd", "learning_rate": 0.1, "loss": "mse", "discount": 0.5}
    agent = DQN(MLP([1, 3]), DQNConfig(**{**defaults, **options}))
    with torch.no_grad():
        for network, values in (
            (agent.q_network, [1.0, 3.0, 2.0]),
            (agent.target_network, [50.0, 20.0, 10.0]),
        ):
            if network is not None:
                network.layers[0].weight.zero_()
                network.layers[0].bias.copy_(torch.tensor(values))
    return agent


def one_transition(terminated=False):
    s = torch.zeros(1, 1)
    return Transitions(s, torch.tensor([2]), torch.tensor([1.0]), s, torch.tensor([terminated]))


@pytest.mark.parametrize(
    ("rule", "target"),
    [
        ("q", 1 + 0.5 * 3),  # online's best, online's value
        ("target_q", 1 + 0.5 * 50),  # target's best, target's value
        ("inverse_double_q", 1 + 0.5 * 1),  # target's best is action 0, online gives it 1
        ("double_q", 1 + 0.5 * 20),  # online's best is action 1, target gives it 20
    ],
)
def test_the_four_bootstraps_by_hand(rule, target):
    agent = linear_agent(bootstrap=rule)
    assert agent.targets(one_transition()).tolist() == [target]
    assert agent.targets(one_transition(terminated=True)).tolist() == [1.0]
    agent.update(one_transition())
    bias = agent.q_network.layers[0].bias
    torch.testing.assert_close(bias.detach(), torch.tensor([1.0, 3.0, 2 + 0.1 * (target - 2)]))
    assert (agent.target_network is None) == (rule == "q")


def test_switches_name_the_same_rules():
    assert DQNConfig().bootstrap_rule == "target_q"
    assert DQNConfig(double=True).bootstrap_rule == "double_q"
    assert DQNConfig(double=True, bootstrap="double_q").bootstrap_rule == "double_q"
    assert DQNConfig(use_target_network=False).bootstrap_rule == "q"
    assert DQNConfig(bootstrap="q").has_target_network is False


def test_double_q_never_exceeds_target_q_nor_inverse_double_q_the_online_maximum():
    """The evaluator's maximum bounds what it says about another network's choice."""
    torch.manual_seed(0)
    s = torch.randn(64, 3)
    batch = Transitions(
        s, torch.zeros(64, dtype=torch.long), torch.zeros(64), s.flip(0), torch.zeros(64).bool()
    )
    network = MLP([3, 16, 5])
    targets = {}
    for rule in RULES:
        agent = DQN(network, DQNConfig(bootstrap=rule))
        if agent.target_network is not None:
            torch.manual_seed(1)
            for weight in agent.target_network.parameters():
                weight.data = torch.randn_like(weight)
        targets[rule] = agent.targets(batch)
    assert (targets["double_q"] <= targets["target_q"]).all()
    assert (targets["inverse_double_q"] <= targets["q"]).all()
    assert (targets["double_q"] < targets["target_q"]).any()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bootstrap": "sarsa"}, "bootstrap must be one of q, target_q"),
        ({"bootstrap": "target_q", "double": True}, "double means the bootstrap double_q"),
        ({"bootstrap": "q", "double": True}, "double means the bootstrap double_q"),
        ({"use_target_network": False, "double": True}, "needs a target network"),
        ({"use_target_network": False, "bootstrap": "inverse_double_q"}, "needs a target network"),
        ({"use_target_network": False, "polyak": 0.005}, "no target network to move"),
        ({"bootstrap": "q", "polyak": 0.005}, "no target network to move"),
        ({"layer_norm": True, "hidden_sizes": ()}, "needs a hidden layer"),
        ({"width_factor": 0.0}, "width_factor must be"),
        ({"hidden_sizes": (64, 0)}, "every one of hidden_sizes must be an integer"),
        ({"priority_beta": 1.5}, r"priority_beta must lie in \[0, 1\]"),
        ({"polyak": 0.0}, r"polyak must lie in \(0, 1\]"),
        ({"adam_epsilon": 0.0}, "adam_epsilon"),
    ],
)
def test_contradictions_are_refused_with_the_reason(options, says):
    with pytest.raises(InvalidValueError, match=says):
        DQNConfig(**options)


def test_a_polyak_target_moves_its_share_of_the_way_after_every_update():
    agent = linear_agent(polyak=0.25)
    agent.update(one_transition())  # δ = 1 + .5·50 − 2 = 24, so the online bias becomes 2 + 2.4
    expected = torch.tensor([50 - 0.25 * 49, 20 - 0.25 * 17, 10 - 0.25 * (10 - 4.4)])
    torch.testing.assert_close(agent.target_network.layers[0].bias, expected)


def test_polyak_of_one_is_a_copy_after_every_update():
    agent = linear_agent(polyak=1.0)
    agent.update(one_transition())
    pairs = zip(agent.q_network.parameters(), agent.target_network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_loss_of_weight_two_counts_twice():
    errors = torch.tensor([1.0, -3.0])
    weights = torch.tensor([2.0, 0.0])
    assert td_loss(errors, "mse", weights).item() == 0.5  # (2 · 1/2 + 0) / 2
    assert td_loss(errors, "huber", weights.flip(0)).item() == 2.5  # (0 + 2 · 5/2) / 2


@pytest.mark.parametrize("layer_norm", [False, True])
def test_dueling_adds_the_value_to_the_advantage_without_its_mean(layer_norm):
    torch.manual_seed(0)
    network = MLP([3, 16, 8, 4], dueling=True, layer_norm=layer_norm)
    streams = network.layers[-1]
    assert isinstance(streams, Dueling)
    s = torch.randn(5, 3)
    features = network.layers[:-1](s)
    V, A = streams.value(features), streams.advantage(features)
    assert V.shape == (5, 1)
    torch.testing.assert_close(network(s), V + (A - A.mean(1, keepdim=True)))
    torch.testing.assert_close(network(s).mean(1, keepdim=True), V)  # advantages have mean zero


def test_layer_norm_makes_the_values_indifferent_to_the_scale_of_a_hidden_layer():
    torch.manual_seed(0)
    network = MLP([3, 64, 2], layer_norm=True).double()
    s = torch.randn(5, 3, dtype=torch.float64)
    before = network(s)
    with torch.no_grad():
        for weight in network.layers[0].parameters():
            weight.mul_(1_000.0)
    torch.testing.assert_close(network(s), before, rtol=1e-3, atol=1e-3)  # eps 1e-5 of LayerNorm


def test_the_plain_networks_are_what_they_were():
    torch.manual_seed(0)
    mlp = MLP([3, 8, 6, 4])
    torch.manual_seed(0)
    layers = [torch.nn.Linear(3, 8), torch.nn.Linear(8, 6), torch.nn.Linear(6, 4)]
    assert [tuple(w.shape) for w in mlp.parameters()] == [
        tuple(w.shape) for layer in layers for w in layer.parameters()
    ]
    assert torch.equal(mlp.layers[4].weight, layers[2].weight)
    assert list(dict(NatureNetwork(6).named_parameters())) == [
        f"layers.{i}.{kind}" for i in (0, 2, 4, 7, 9) for kind in ("weight", "bias")
    ]


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_kernel_of_every_network_is_exact(dueling, layer_norm):
    torch.manual_seed(0)
    network = MLP([3, 8, 4], dueling=dueling, layer_norm=layer_norm).double()
    s, a = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])
    exact = qd.empirical_ntk(network, s, a, method="reference")
    torch.testing.assert_close(qd.empirical_ntk(network, s, a), exact)


def test_the_dueling_nature_network_has_the_papers_streams():
    network = channels_last(NatureNetwork(6, dueling=True, layer_norm=True))
    shapes = [tuple(weight.shape) for weight in network.parameters() if weight.ndim > 1]
    assert shapes[3:] == [(512, 3136), (1, 512), (512, 3136), (6, 512)]
    frames = torch.randint(256, (2, 4, 84, 84), dtype=torch.uint8)
    assert network(frames).isfinite().all()


def test_the_papers_rmsprop_against_its_formula_and_its_preconditioner():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(7, dtype=torch.float64))
    optimizer = NatureRMSprop([weight], lr=0.1)
    g_mean, g_square = torch.zeros_like(weight), torch.zeros_like(weight)
    θ = weight.detach().clone()
    for _ in range(20):
        g = torch.randn_like(θ)
        weight.grad = g.clone()
        optimizer.step()
        g_mean = 0.95 * g_mean + 0.05 * g
        g_square = 0.95 * g_square + 0.05 * g**2
        M = 1 / (g_square - g_mean**2 + 0.01).sqrt()
        θ = θ - 0.1 * g * M
        torch.testing.assert_close(weight.detach(), θ)
    torch.testing.assert_close(from_optimizer(optimizer, {"w": weight})["w"].detach(), M.detach())


@pytest.mark.parametrize(
    "options",
    [
        *({"bootstrap": rule} for rule in RULES),
        {"dueling": True, "double": True},
        {"polyak": 0.1},
        {"optimizer": "nature_rmsprop", "learning_rate": 0.005},
    ],
)
def test_every_part_reaches_the_optimal_values_of_a_three_state_chain(options):
    """s0 → s1 → end by action 1, reward 1 at the end; action 0 stays; γ = 1/2."""
    batch = three_state_chain()
    torch.manual_seed(0)
    config = DQNConfig(**{"discount": 0.5, "learning_rate": 0.02, **options})
    agent = DQN(MLP([2, 2], dueling=config.dueling), config)
    for t in range(1_000):
        agent.update(batch)
        if t % 10 == 0 and config.polyak is None:
            agent.sync_target()
    optimal = torch.tensor([[0.25, 0.5], [0.5, 1.0]])
    with torch.no_grad():
        torch.testing.assert_close(agent.q_network(torch.eye(2)), optimal, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"bootstrap": "inverse_double_q", "optimizer": "nature_rmsprop", "loss": "mse"},
        {"double": True, "dueling": True, "layer_norm": True, "polyak": 0.01},
    ],
)
def test_parts_run_together_on_pong(options):
    config = DQNConfig(
        total_steps=60, num_envs=2, learning_starts=40, buffer_size=500, batch_size=4, **options
    )
    trainer = Trainer(config, log_period=1)
    updates = [record for record in trainer.run() if isinstance(record, UpdateRecord)]
    assert len(updates) == 5
    assert all(math.isfinite(update.loss) for update in updates)
    again = list(Trainer(config, log_period=1).run())
    assert dataclasses.replace(again[-2], steps_per_second=0) == dataclasses.replace(
        updates[-1], steps_per_second=0
    )
