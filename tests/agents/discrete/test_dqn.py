"""The learner against hand-computed numbers and against plain autograd."""

import math

import pytest
import torch

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.losses import td_loss
from qdiverge.agents.networks import MLP, NatureNetwork, channels_last
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.td import td_errors, td_targets
from qdiverge.transitions import Transitions
from tests.agents.discrete.chain import three_state_chain


def test_targets_by_hand():
    next_q_values = torch.tensor([[1.0, 5.0, 2.0], [1.0, 5.0, 2.0], [-3.0, -1.0, -2.0]])
    targets = td_targets(
        rewards=torch.tensor([0.5, 0.5, -1.0]),
        terminated=torch.tensor([False, True, False]),
        next_q_values=next_q_values,
        discount=0.9,
    )
    # .5 + .9·5, .5 alone because the episode is over, −1 + .9·(−1)
    torch.testing.assert_close(targets, torch.tensor([5.0, 0.5, -1.9]))


def test_a_terminal_transition_ignores_even_an_infinite_next_value():
    targets = td_targets(
        torch.tensor([1.0]), torch.tensor([True]), torch.tensor([[math.inf, math.nan]]), 0.99
    )
    assert targets.tolist() == [1.0]


def test_huber_is_half_the_square_inside_one_and_linear_with_slope_one_outside():
    errors = torch.linspace(-4, 4, 81, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(td_loss(errors, "huber"), errors)
    torch.testing.assert_close(gradient, errors.detach().clamp(-1, 1) / 81)
    torch.testing.assert_close(
        td_loss(errors, "huber"),
        torch.nn.functional.huber_loss(errors, torch.zeros_like(errors)),
    )
    (gradient,) = torch.autograd.grad(td_loss(errors, "mse"), errors)
    torch.testing.assert_close(gradient, errors.detach() / 81)


def batch_of(num=16, width=3, num_actions=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Transitions(
        observations=torch.randn(num, width, generator=generator),
        actions=torch.randint(num_actions, (num,), generator=generator),
        rewards=torch.randn(num, generator=generator),
        next_observations=torch.randn(num, width, generator=generator),
        terminated=torch.rand(num, generator=generator) < 0.3,
    )


def agent_of(**options):
    torch.manual_seed(0)
    defaults = {"optimizer": "sgd", "learning_rate": 0.1, "loss": "mse", "discount": 0.9}
    return DQN(MLP([3, 8, 4]), DQNConfig(**{**defaults, **options}))


@pytest.mark.parametrize("use_target_network", [True, False])
@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_an_sgd_update_is_the_semi_gradient(use_target_network, loss):
    """θ ← θ + α mean_i clip(δ_i) ∇Q(s_i, a_i), one transition at a time: no gradient through y."""
    agent = agent_of(use_target_network=use_target_network, loss=loss)
    with torch.no_grad():  # the network moves away from its target
        for weight in agent.q_network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    batch = batch_of()
    weights = list(agent.q_network.parameters())
    step = [torch.zeros_like(weight) for weight in weights]
    errors = []
    for i in range(len(batch)):
        bootstrap = agent.target_network if use_target_network else agent.q_network
        following = bootstrap(batch.next_observations[i : i + 1]).max().item()
        value = agent.q_network(batch.observations[i : i + 1])[0, batch.actions[i]]
        not_over = 1.0 - float(batch.terminated[i])
        delta = float(batch.rewards[i]) + 0.9 * not_over * following - value.item()
        errors.append(delta)
        slope = max(-1.0, min(1.0, delta)) if loss == "huber" else delta
        for total, gradient in zip(step, torch.autograd.grad(value, weights), strict=True):
            total += 0.1 * slope / len(batch) * gradient
    expected = [weight.detach() + change for weight, change in zip(weights, step, strict=True)]
    update = agent.update(batch)
    for weight, wanted in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.detach(), wanted)
    assert update.td_abs_mean == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
    assert update.td_abs_max == pytest.approx(max(map(abs, errors)), rel=1e-5)
    assert update.is_finite


def test_a_target_network_changes_only_when_it_is_copied():
    agent = agent_of()
    before = [weight.clone() for weight in agent.target_network.parameters()]
    agent.update(batch_of())
    after = list(agent.target_network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(weight.requires_grad for weight in after)
    agent.sync_target()
    online = agent.q_network.parameters()
    assert all(torch.equal(a, b) for a, b in zip(online, after, strict=True))


def test_without_a_target_network_there_is_none():
    agent = agent_of(use_target_network=False)
    assert agent.target_network is None
    agent.sync_target()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_takes_no_step(bad):
    agent = agent_of(optimizer="adam")
    before = [weight.clone() for weight in agent.q_network.parameters()]
    batch = batch_of()
    batch.rewards[3] = bad
    update = agent.update(batch)
    assert not update.is_finite
    after = agent.q_network.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not agent.optimizer.state


def test_large_finite_values_go_on():
    agent = agent_of(optimizer="adam")
    batch = batch_of()
    batch.rewards.mul_(1e12)
    before = next(agent.q_network.parameters()).clone()
    assert agent.update(batch).is_finite
    assert not torch.equal(before, next(agent.q_network.parameters()))


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_reaches_the_optimal_values_of_a_three_state_chain(optimizer):
    """s0 → s1 → s2 by action 1, reward 1 at the end; action 0 stays. Q*(s_k, 1) = γ^(1−k)."""
    discount = 0.5
    batch = three_state_chain()
    torch.manual_seed(0)
    rates = {"adam": 0.02, "rmsprop": 0.02, "sgd": 0.5}
    config = DQNConfig(discount=discount, optimizer=optimizer, learning_rate=rates[optimizer])
    agent = DQN(MLP([2, 2]), config)
    for t in range(800):
        agent.update(batch)
        if t % 10 == 0:
            agent.sync_target()
    optimal = torch.tensor([[0.25, 0.5], [0.5, 1.0]])  # staying costs one more step
    with torch.no_grad():
        torch.testing.assert_close(agent.q_network(torch.eye(2)), optimal, atol=0.02, rtol=0)


def test_greedy_actions_leave_no_graph_and_no_gradient():
    agent = agent_of()
    observations = batch_of().observations
    actions = agent.act(observations.numpy())
    assert actions.tolist() == agent.q_network(observations).argmax(dim=1).tolist()
    assert all(weight.grad is None for weight in agent.q_network.parameters())


def test_the_nature_network_has_the_papers_layers():
    network = NatureNetwork(num_actions=6)
    shapes = [tuple(weight.shape) for weight in network.parameters() if weight.ndim > 1]
    assert shapes == [(32, 4, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3), (512, 3136), (6, 512)]
    assert sum(weight.numel() for weight in network.parameters()) == 1_687_206


def test_the_nature_network_scales_pixels_and_takes_views_and_other_dtypes():
    torch.manual_seed(0)
    network = NatureNetwork(num_actions=3)
    window = torch.randint(256, (2, 5, 84, 84), dtype=torch.uint8)
    as_bytes = network(window[:, 1:])
    torch.testing.assert_close(as_bytes, network(window[:, 1:].float().contiguous()))
    torch.testing.assert_close(as_bytes, network.layers(window[:, 1:] / 255))
    doubled = network.double()(window[:, 1:])
    torch.testing.assert_close(as_bytes, doubled.float(), rtol=1e-4, atol=1e-5)


def test_the_networks_have_per_sample_gradients():
    """vmap(grad) works in channels_last too: the kernel diagnostics depend on it."""
    torch.manual_seed(0)
    network = channels_last(NatureNetwork(num_actions=3))
    frames = torch.randint(256, (2, 4, 84, 84), dtype=torch.uint8)
    weights = dict(network.named_parameters())

    def value(weights, frame):
        return torch.func.functional_call(network, weights, (frame[None],))[0, 1]

    rows = torch.func.vmap(torch.func.grad(value), in_dims=(None, 0))(weights, frames)
    reference = torch.autograd.grad(network(frames[1:])[0, 1], list(weights.values()))
    for row, wanted in zip(rows.values(), reference, strict=True):
        torch.testing.assert_close(row[1], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"num_envs": 1.5}, "num_envs"),
        ({"train_period": True}, "train_period"),
        ({"epsilon_end": 1.1}, r"epsilon_end must lie in \[0, 1\]"),
        ({"loss": "l1"}, "loss must be one of huber, mse; got 'l1'"),
        ({"optimizer": "lion"}, "optimizer must be one of adam, rmsprop, sgd"),
        ({"torch_threads": 0}, "torch_threads"),
    ],
)
def test_impossible_configurations_are_refused(options, says):
    with pytest.raises(InvalidValueError, match=says):
        DQNConfig(**options)


@pytest.mark.parametrize("sizes", [[4], [], [4, 0, 2], [4, 2.5]])
def test_impossible_networks_are_refused(sizes):
    with pytest.raises(InvalidValueError):
        MLP(sizes)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"actions": torch.zeros(5, dtype=torch.long)}, InvalidValueError, "actions must have 16"),
        ({"rewards": torch.zeros(16, 1)}, InvalidValueError, r"rewards.*\[16\]; got \[16, 1\]"),
        ({"terminated": torch.tensor(False)}, InvalidValueError, "terminated"),
        ({"next_observations": torch.zeros(16, 2)}, InvalidValueError, "next_observations"),
        ({"rewards": [0.0] * 16}, InvalidTypeError, "rewards must be a tensor; got a list"),
    ],
)
def test_transitions_whose_shapes_disagree_are_refused(change, error, says):
    with pytest.raises(error, match=says):
        Transitions(**{**vars(batch_of()), **change})


def test_transitions_select_rows_by_index_and_by_mask():
    batch = batch_of()
    assert len(batch) == 16
    chosen = batch.select(batch.terminated)
    assert len(chosen) == int(batch.terminated.sum())
    assert chosen.terminated.all()
    assert torch.equal(batch.select(torch.tensor([3, 3])).rewards, batch.rewards[[3, 3]])


def test_errors_are_targets_minus_values():
    values = torch.tensor([[1.0, 2.0]])
    assert td_errors(values, torch.tensor([1]), torch.tensor([5.0])).tolist() == [3.0]
