"""Faster arithmetic gives the same numbers: to rounding in fp32, to eight bits in bfloat16."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.machine import fast_linear
from qdiverge.agents.machine.arithmetic import Arithmetic
from qdiverge.agents.machine.fast_linear import FastLinear
from qdiverge.agents.networks import NatureNetwork, channels_last
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from qdiverge.transitions import Transitions

CPU = torch.device("cpu")


def frames(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (num, 4, 84, 84), generator=generator, dtype=torch.uint8)


def nature(**options):
    torch.manual_seed(0)
    return channels_last(NatureNetwork(6, **options))


def batch_of(num=8):
    generator = torch.Generator().manual_seed(0)
    return Transitions(
        observations=frames(num, 1),
        actions=torch.randint(6, (num,), generator=generator),
        rewards=torch.randn(num, generator=generator),
        next_observations=frames(num, 2),
        terminated=torch.rand(num, generator=generator) < 0.3,
    )


@pytest.mark.skipif(not fast_linear.is_available(), reason="no oneDNN in this PyTorch")
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_fast_linear_layer_agrees_with_float64_and_so_do_its_gradients(has_bias):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 700, generator=generator, requires_grad=True)
    weight = torch.randn(128, 700, generator=generator, requires_grad=True)
    bias = torch.randn(128, generator=generator, requires_grad=True) if has_bias else None
    inputs = [t for t in (x, weight, bias) if t is not None]
    weights_of_sum = torch.randn(5, 128, generator=generator)
    with FastLinear():
        y = functional.linear(*inputs)
    assert type(y.grad_fn).__name__ == "_LinearBackward"
    exact_inputs = [t.detach().double().requires_grad_() for t in inputs]
    exact = functional.linear(*exact_inputs)
    torch.testing.assert_close(y.double(), exact, rtol=1e-5, atol=1e-4)
    found = torch.autograd.grad((y * weights_of_sum).sum(), inputs)
    wanted = torch.autograd.grad((exact * weights_of_sum).sum(), exact_inputs)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-4)


def test_small_layers_and_other_dtypes_stay_with_pytorch():
    with FastLinear():
        small = functional.linear(torch.ones(2, 8), torch.ones(8, 8, requires_grad=True))
        double = functional.linear(
            torch.ones(2, 512).double(), torch.ones(256, 512).double().requires_grad_()
        )
    assert "_Linear" not in type(small.grad_fn).__name__ + type(double.grad_fn).__name__


def test_frames_go_channels_last_bit_by_bit_and_floats_as_they_are():
    network, observations = nature(), frames(3)
    before = observations.clone()
    fast = network(observations)
    network.is_channels_last = False
    assert torch.equal(fast, network(observations))
    as_floats = observations.float()
    network.is_channels_last = True
    assert torch.equal(fast, network(as_floats))
    assert torch.equal(observations, before)
    assert torch.equal(as_floats, before.float())


def test_frames_rounded_to_bfloat16_at_once_are_those_that_autocast_rounds():
    network, observations = nature(), frames(3)
    bfloat16 = Arithmetic("bfloat16", CPU, network)
    fast = bfloat16.evaluate(network, observations)
    network.is_channels_last = False
    assert torch.equal(fast, bfloat16.evaluate(network, observations))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("options", [{}, {"dueling": True}])
def test_an_update_agrees_with_float64(precision, options):
    """The gradient's error, as a share of its size: rounding of 24 bits, or of 8."""
    config = DQNConfig(optimizer="sgd", learning_rate=1.0, precision=precision)
    agent, exact = DQN(nature(**options), config), DQN(nature(**options).double(), DQNConfig())
    before = torch.cat([w.detach().flatten() for w in agent.q_network.parameters()])
    batch = batch_of()
    update = agent.update(batch)
    after = torch.cat([w.detach().flatten() for w in agent.q_network.parameters()])
    wanted = exact.update(dataclasses.replace(batch, rewards=batch.rewards.double()))
    gradient = torch.cat([w.grad.flatten() for w in exact.q_network.parameters()])
    error = (before.double() - after.double() - gradient).norm() / gradient.norm()
    assert error < (1e-5 if precision == "float32" else 0.1)
    assert (precision == "float32") == (error < 1e-4)
    assert update.loss == pytest.approx(wanted.loss, rel=1e-5 if precision == "float32" else 0.02)
    assert update.td_errors.dtype == torch.float32


def test_in_bfloat16_weights_and_optimiser_states_stay_fp32_and_outside_all_is_fp32():
    agent = DQN(nature(), DQNConfig(precision="bfloat16"))
    agent.update(batch_of())
    held = [*agent.q_network.parameters(), *agent.target_network.parameters()]
    held += [v for state in agent.optimizer.state.values() for v in state.values()]
    assert {tensor.dtype for tensor in held} == {torch.float32}
    observations = frames(4)
    inside = agent.evaluate(agent.q_network, observations)
    outside = agent.q_network(observations)
    plain = nature()
    plain.load_state_dict(agent.q_network.state_dict())
    assert torch.equal(outside, plain(observations))
    assert inside.dtype == torch.float32
    assert not torch.equal(inside, outside)
    assert agent.act(observations.numpy()).tolist() == inside.argmax(dim=1).tolist()


def test_a_float64_network_stays_in_float64():
    layer = nn.Linear(400, 400).double()
    found = Arithmetic("float32", CPU, layer).evaluate(layer, torch.ones(2, 400).double())
    assert torch.equal(found, layer(torch.ones(2, 400).double()))


def test_other_precisions_are_refused():
    with pytest.raises(InvalidValueError, match="precision must be one of float32, bfloat16"):
        DQNConfig(precision="float16")


def test_small_networks_are_spared_the_detour(monkeypatch):
    """Intercepting every call costs an MLP a sixth of its update."""
    monkeypatch.setattr("qdiverge.agents.machine.arithmetic.is_faster", lambda: True)
    small = Arithmetic("float32", CPU, nn.Sequential(nn.Linear(1_024, 128), nn.Linear(128, 3)))
    assert isinstance(Arithmetic("float32", CPU, nature())._context(), FastLinear)
    assert not isinstance(small._context(), FastLinear)
