"""Health metrics against closed forms, bounds and problems whose answer is known."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from qdiverge.diagnostics import Transitions
from qdiverge.diagnostics.hidden_activations import layer_inputs
from qdiverge.diagnostics.metrics.churn import EffectiveStep, GreedyChurn, ValueChurn
from qdiverge.diagnostics.metrics.coadaptation import Coadaptation
from qdiverge.diagnostics.metrics.definiteness import distribution_shift, td_definiteness
from qdiverge.diagnostics.metrics.dormant_units import DormantUnits, dormancy_scores
from qdiverge.diagnostics.metrics.feature_rank import effective_rank, srank, stable_rank
from qdiverge.diagnostics.metrics.interference import Interference, gradient_products
from qdiverge.diagnostics.metrics.self_excitation import SelfExcitation
from qdiverge.errors import UnsupportedNetworkError
from tests.diagnostics.test_diagnostics import linear_network, moment

D = torch.float64


@given(rank=st.integers(1, 12))
def test_every_rank_counts_equal_directions_exactly(rank):
    singular_values = torch.cat([torch.full((rank,), 3.0), torch.zeros(5)])
    assert srank(singular_values) == math.ceil(0.99 * rank)
    assert stable_rank(singular_values) == pytest.approx(rank)
    assert effective_rank(singular_values) == pytest.approx(rank, rel=1e-5)


@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_ranks_are_free_of_scale_and_bounded(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    σ = torch.rand(8, generator=generator, dtype=D).sort(descending=True).values
    for measure in (srank, stable_rank, effective_rank):
        assert measure(σ) == pytest.approx(measure(scale * σ))
        assert 1 - 1e-9 <= measure(σ) <= 8


def test_ranks_of_nothing_are_zero():
    zeros = torch.zeros(4)
    assert srank(zeros) == stable_rank(zeros) == effective_rank(zeros) == 0


def test_dormant_and_dead_units_are_told_apart():
    network = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.01, 0.01], [-1.0, -1.0]]))
        network[0].bias.zero_()
    metrics = DormantUnits().measure(moment(network))
    assert metrics == {"diverge/dormant_units": 0.5, "diverge/dead_units": 0.25}


def test_channels_of_a_convolution_are_units():
    activations = torch.zeros(3, 2, 5)
    activations[:, 0] = -4.0
    assert dormancy_scores(activations).tolist() == [2.0, 0.0]


def test_layer_inputs_keep_the_order_of_the_forward_pass():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)
            self.first = nn.Conv1d(1, 3, 2)

        def forward(self, x):
            return self.last(torch.tanh(self.first(x[:, None])).mean(2))

    network = Backwards()
    inputs = layer_inputs(network, torch.ones(4, 6))
    assert list(inputs) == ["first", "last"]
    assert inputs["last"].shape == (4, 3)
    assert not any(module._forward_pre_hooks for module in network.modules())
    with pytest.raises(UnsupportedNetworkError, match="linear or convolutional"):
        layer_inputs(nn.Flatten(), torch.ones(1, 2))


def w_to_2w(discount):
    """Features 1 → 2, one weight: the TD coefficient is 2γ − 1."""
    return torch.ones(1, 1, dtype=D), 2 * discount * torch.ones(1, 1, dtype=D)


@pytest.mark.parametrize("discount", [0.1, 0.49, 0.51, 0.99])
def test_w_to_2w_is_indefinite_and_shifted_exactly_where_it_diverges(discount):
    diverges = 2 * discount > 1
    assert td_definiteness(*w_to_2w(discount)) == pytest.approx(1 - 2 * discount)
    assert (td_definiteness(*w_to_2w(discount)) < 0) == diverges
    assert distribution_shift(*w_to_2w(discount)) == pytest.approx((2 * discount) ** 2)
    assert (distribution_shift(*w_to_2w(discount)) > 1) == diverges


@given(seed=st.integers(0, 1000), discount=st.floats(0, 0.99))
def test_on_policy_data_are_definite_and_unshifted(seed, discount):
    """A permutation of the states has the uniform distribution as its stationary one."""
    generator = torch.Generator().manual_seed(seed)
    Φ = torch.randn(10, 4, generator=generator, dtype=D)
    next_ = discount * Φ[torch.randperm(10, generator=generator)]
    assert td_definiteness(Φ, next_) > 0
    assert distribution_shift(Φ, next_) <= discount**2 + 1e-9


@given(seed=st.integers(0, 1000))
def test_a_positive_definite_td_matrix_is_a_stable_one(seed):
    """Definiteness is sufficient: the expected update's matrix has no eigenvalue that grows."""
    generator = torch.Generator().manual_seed(seed)
    Φ, next_ = torch.randn(2, 9, 3, generator=generator, dtype=D)
    if td_definiteness(Φ, 0.9 * next_) > 1e-9:
        drift = -Φ.T @ (Φ - 0.9 * next_)
        assert torch.linalg.eigvals(drift).real.max() < 0


def test_coadaptation_leaves_terminal_transitions_out():
    # φ(s0)·φ(s0') = (1, 0)·(0, 1); the second transition ends.
    metrics = Coadaptation().measure(moment(linear_network([[1.0, 2.0], [3.0, 4.0]])))
    assert metrics["diverge/coadaptation"] == 0.0


def test_gradient_products_equal_autograds_inner_products():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2))
    now = moment(network)
    gradients = []
    for i in range(2):
        network.zero_grad()
        q = network(now.batch.observations)[i, now.batch.actions[i]]
        (0.5 * (q - (now.td_errors + now.q)[i].detach()).square()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    expected = torch.stack(gradients) @ torch.stack(gradients).T
    got = gradient_products(now.kernel, now.td_errors)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    cosine = expected[0, 1] / (expected[0, 0] * expected[1, 1]).sqrt()
    assert Interference().measure(now)["diverge/gradient_cosine"] == pytest.approx(
        float(cosine), rel=1e-4
    )


def test_self_excitation_is_that_of_w_to_2w():
    batch = Transitions(
        observations=torch.ones(3, 1),
        actions=torch.zeros(3, dtype=torch.int64),
        rewards=torch.zeros(3),
        next_observations=2 * torch.ones(3, 1),
        terminated=torch.tensor([False, False, True]),
    )
    metrics = SelfExcitation().measure(moment(linear_network([[1.0]]), batch, discount=0.9))
    assert metrics["diverge/transition_excitation_max"] == pytest.approx(1.8)
    assert metrics["diverge/self_exciting"] == pytest.approx(2 / 3)  # not the terminal one


def test_churn_is_per_update_and_only_on_the_same_probe():
    churn, greedy, step = ValueChurn(), GreedyChurn(), EffectiveStep()
    first = moment(linear_network([[2.0, 5.0], [3.0, 7.0]]), update=10)
    assert churn.measure(first) == greedy.measure(first) == step.measure(first) == {}
    second = moment(linear_network([[2.0, 5.0], [1.0, 7.0]]), first.batch, update=14)
    metrics = churn.measure(second) | greedy.measure(second)
    assert metrics["diverge/value_churn"] == pytest.approx(2 / 4 / 4)  # one of four by 2, 4 updates
    assert metrics["diverge/greedy_churn"] == 0.5
    norm = math.sqrt(4 + 25 + 1 + 49)
    assert step.measure(second)["diverge/effective_step"] == pytest.approx(2 / norm / 4)
    assert churn.measure(moment(first.q_network, update=15)) == {}
