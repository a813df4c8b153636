"""``qd.diagnose`` against training itself, against autograd, and on problems of known fate."""

import copy
import dataclasses
import itertools
import math
import re

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.diagnostics.diagnose import make_moment
from qdiverge.diagnostics.metrics.step_linearity import step_changes
from tests.diagnostics.test_diagnostics import Awkward, assert_same, fingerprint
from tests.reference import reference_kernel


def random_batch(seed=0, size=12, width=3, num_actions=2, dtype=torch.float64, ended=0.2):
    generator = torch.Generator().manual_seed(seed)
    s, s_next = torch.randn(2, size, width, generator=generator, dtype=dtype)
    return qd.Transitions(
        observations=s,
        actions=torch.randint(num_actions, (size,), generator=generator),
        rewards=torch.randn(size, generator=generator, dtype=dtype),
        next_observations=s_next,
        terminated=torch.rand(size, generator=generator) < ended,
    )


def mlp(seed=0, activation=nn.Tanh, width=3, num_actions=2, dtype=torch.float64):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(width, 16), activation(), nn.Linear(16, 16), activation(),
        nn.Linear(16, num_actions),
    ).to(dtype)  # fmt: skip


def w_to_2w() -> tuple[nn.Module, qd.Transitions]:
    network = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        network.weight.fill_(1.0)
    s = torch.ones(1, 1, dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    return network, qd.Transitions(s, torch.zeros(1).long(), zero, 2 * s, zero)


@pytest.mark.parametrize(
    ("discount", "verdict"), [(0.1, "certified"), (0.49, "certified"), (0.51, "divergent")]
)
def test_w_to_2w_diverges_exactly_above_one_half(discount, verdict):
    diagnosis = qd.diagnose(*w_to_2w(), discount=discount, learning_rate=0.1)
    assert diagnosis.stability.verdict == verdict
    assert diagnosis.stability.spectral_radius == pytest.approx(1 + 0.1 * (2 * discount - 1))
    assert diagnosis.linearisation_error == pytest.approx(0, abs=1e-12)  # linear in the weight
    assert math.isfinite(diagnosis.forecast) == (discount > 0.5)


def test_the_forecast_is_when_training_passes_the_bound():
    network, batch = w_to_2w()
    diagnosis = qd.diagnose(network, batch, discount=0.99, learning_rate=0.1)
    weight, updates = 1.0, 0
    while weight <= diagnosis.bound:
        weight += 0.1 * (2 * 0.99 - 1) * weight
        updates += 1
    assert updates - 1 <= diagnosis.forecast <= updates


def test_the_spectral_radius_is_that_of_training_itself():
    """SGD on a linear network is an affine map of its weights: its matrix, column by column."""
    torch.manual_seed(5)
    network = nn.Linear(3, 2, bias=False).double()
    batch = random_batch(seed=3, size=6, ended=0.0)
    batch.actions[:] = torch.tensor([0, 0, 0, 1, 1, 1])  # so that every weight is reached
    fixed = make_moment(network, batch, 0.99, 0.3).next_actions
    report = qd.diagnose(network, batch, 0.99, 0.3).stability

    def step(weights):
        trained = nn.Linear(3, 2, bias=False).double()
        with torch.no_grad():
            trained.weight.copy_(weights.view(2, 3))
            bootstrap = trained(batch.next_observations).gather(1, fixed[:, None]).squeeze(1)
        q = trained(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
        δ = batch.rewards + 0.99 * bootstrap - q
        (0.5 * δ.square()).mean().backward()
        torch.optim.SGD(trained.parameters(), lr=0.3).step()
        return trained.weight.detach().flatten()

    start = step(torch.zeros(6, dtype=torch.float64))
    M = torch.stack([step(unit) - start for unit in torch.eye(6, dtype=torch.float64)], 1)
    eigenvalues, vectors = torch.linalg.eig(M)
    conditions = float(torch.linalg.cond(vectors)) + report.eigenvalue_condition
    rounding = 1e3 * torch.finfo(torch.float64).eps * conditions * float(torch.linalg.norm(M))
    radius = float(eigenvalues.abs().max())
    assert report.spectral_radius == pytest.approx(radius, abs=rounding)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_its_kernels_are_those_of_plain_autograd(activation):
    network, batch = mlp(activation=activation), random_batch()
    diagnosis = qd.diagnose(network, batch, 0.9, 0.05)
    N, A = len(batch), 2
    every = torch.cat([batch.observations, batch.next_observations.repeat_interleave(A, 0)])
    actions = torch.cat([batch.actions, torch.arange(A).repeat(N)])
    whole = reference_kernel(network, every, actions)
    K = whole[:N, :N]
    continues = 0.9 * (~batch.terminated).double()
    successors = whole[N:, :N].reshape(N, A, N) * continues[:, None, None]
    greedy = network(batch.next_observations).argmax(1)
    expected = qd.check_stability(K, successors, greedy, learning_rate=0.05)
    for name in ("spectral_radius", "self_excitation", "certified_modulus", "transient_gain"):
        assert getattr(diagnosis.stability, name) == pytest.approx(
            getattr(expected, name), rel=1e-9, abs=1e-12
        )
    is_not_reached = "from where the run is" in diagnosis.stability.reason  # by a slow mode
    assert not is_not_reached or expected.verdict == "divergent"
    assert diagnosis.stability.verdict == ("undecided" if is_not_reached else expected.verdict)
    row = qd.check_contraction(K, discount=0.9, learning_rate=0.05)
    torch.testing.assert_close(diagnosis.contraction.margin, row.margin)


def test_layer_shares_sum_to_the_eigenvalue():
    attribution = qd.diagnose(mlp(), random_batch(), 0.9, 0.05).attribution
    assert set(attribution.layers) == {"0", "2", "4"}
    assert sum(attribution.layers.values()) == pytest.approx(attribution.eigenvalue.real)
    assert float(attribution.pairs.sum()) == pytest.approx(attribution.eigenvalue.real)


def test_terminated_transitions_do_not_bootstrap_but_truncated_ones_do():
    network, batch = w_to_2w()
    cut = qd.diagnose(network, batch, 0.99, 0.1)
    ended = dataclasses.replace(batch, terminated=torch.ones(1))
    assert cut.stability.verdict == "divergent"
    report = qd.diagnose(network, ended, 0.99, 0.1)
    assert report.stability.verdict == "certified"
    assert report.stability.spectral_radius == pytest.approx(0.9)  # plain regression
    assert float(report.td_errors) == -1.0


class ConvNet(nn.Module):
    """A small network of the Nature kind, smooth: convolutions, then linear layers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2), nn.Tanh(), nn.Conv2d(4, 4, 2), nn.Tanh(), nn.Flatten(),
            nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 2),
        )  # fmt: skip

    def forward(self, x):
        return self.body(x.unflatten(1, (2, 7, 7)))


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_remainder_of_theorem_1_is_of_second_order(kind):
    """Q' = Q + αKDδ + O(α²): at half the step the remainder is a quarter."""
    torch.manual_seed(0)
    network = mlp() if kind == "mlp" else ConvNet().double()
    batch = random_batch(width=3 if kind == "mlp" else 98)
    remainders = []
    for learning_rate in (1e-2, 5e-3, 2.5e-3, 1.25e-3):
        moment = make_moment(network, batch, 0.9, learning_rate)
        δ = moment.td_errors
        predicted, actual = step_changes(moment, δ)
        torch.testing.assert_close(predicted, learning_rate * moment.kernel @ δ / len(δ))
        remainders.append(float((actual - predicted).norm()))
    for larger, smaller in itertools.pairwise(remainders):
        assert larger / smaller == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", ["Adam", "RMSprop"])
def test_the_prediction_holds_with_an_optimisers_second_moments(name):
    """The error is ∝ α at small steps; at large ones ΔQ of ReLU layers is ∝ α³, and αKDδ not.

    Second moments of 2,000 like gradients are not moved by another one.
    """

    def diagnosed(network, learning_rate):
        batch = random_batch()
        slow = {"betas": (0.9, 0.99999)} if name == "Adam" else {"alpha": 0.999}
        optimizer = getattr(torch.optim, name)(network.parameters(), lr=1e-12, **slow)
        δ = qd.diagnose(network, batch, 0.9, 1e-3).td_errors
        q = network(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
        (-(δ * q).mean()).backward()  # the gradient of ½δ²
        for _ in range(2_000):
            optimizer.step()
        return qd.diagnose(network, batch, 0.9, learning_rate, optimizer=optimizer)

    small, large = diagnosed(mlp(), 1e-9), diagnosed(mlp(activation=nn.ReLU), 1e4)
    assert small.linearisation_error < 1e-3
    assert large.linearisation_error > 0.3
    assert "does not apply" in large.advice[0]
    assert "does not apply" not in str(small)


def test_advice_names_the_step_and_the_values_that_follow_from_it():
    network, batch = mlp(), random_batch(ended=1.0)  # plain regression: only the step can be wrong
    largest = qd.diagnose(network, batch, 0.9, 1e-3).stability.max_learning_rate
    diagnosis = qd.diagnose(network, batch, 0.9, 3.1 * largest)
    text = " ".join(diagnosis.advice)
    below = re.escape(f"set it below {largest:.3g}")
    assert re.search(rf"3\.1× the largest stable one: {below}, from", text)
    doubled = qd.diagnose(network, batch, 0.9, 3.1 * largest, loss="squared")  # α of ½ δ²
    assert f"set it below {largest / 2:.3g}, from {1.55 * largest:.3g}" in " ".join(doubled.advice)
    calm = qd.diagnose(network, batch, 0.9, 0.01 * largest)
    assert calm.advice == ("Nothing to change on this batch.",)


def test_clipped_td_errors_are_said_and_used():
    network, batch = mlp(), random_batch()
    batch.rewards[0] = 100.0
    huber = qd.diagnose(network, batch, 0.9, 1e-3, loss="huber")
    assert huber.clipped_share >= 1 / 12
    assert any("Huber" in sentence for sentence in huber.advice)
    assert huber.linearisation_error < qd.diagnose(network, batch, 0.9, 1e-3).linearisation_error


def test_a_target_network_makes_the_td_errors_and_the_period_counts():
    network, target, batch = mlp(seed=0), mlp(seed=1), random_batch()
    diagnosis = qd.diagnose(network, batch, 0.9, 0.01, target=target, target_period=50)
    goal = batch.rewards + 0.9 * (~batch.terminated) * target(batch.next_observations).amax(1)
    q = network(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
    torch.testing.assert_close(diagnosis.td_errors, (goal - q).detach())
    assert diagnosis.stability.target_period == 50


def test_the_large_batch_spectrum_agrees_with_the_dense_one():
    network, batch = mlp(), random_batch(size=60)
    dense = qd.diagnose(network, batch, 0.99, 0.05).stability
    bounds = qd.batch_spectrum(network, batch, 0.99, 0.05)
    assert not bounds.is_dense
    scale = float(bounds.eigenvalues.abs().max())  # Arnoldi's tolerance is relative to it
    assert bounds.self_excitation == pytest.approx(dense.self_excitation, abs=1e-5 * scale)
    assert bounds.spectral_radius == pytest.approx(dense.spectral_radius, abs=0.05 * 1e-5 * scale)


def test_the_network_is_left_as_it_was():
    torch.manual_seed(0)
    network, target = Awkward(), Awkward()
    norm = network.body[1]
    assert isinstance(norm, nn.BatchNorm1d)
    norm.momentum = 0.5
    before = fingerprint(network), fingerprint(target)
    qd.diagnose(network, random_batch(width=2, dtype=torch.float32), 0.9, 1e-3, target=target)
    for was, module in zip(before, (network, target), strict=True):
        assert_same(was, fingerprint(module))
    assert not any(module._forward_hooks for module in network.modules())


def test_bad_input_is_named():
    network, batch = mlp(), random_batch()
    broken = copy.deepcopy(network)
    with torch.no_grad():
        broken[0].weight[0, 0] = math.nan
    with pytest.raises(qd.InvalidValueError, match="earlier checkpoint"):
        qd.diagnose(broken, batch, 0.9, 1e-3)
    with pytest.raises(qd.InvalidValueError, match="1024"):
        qd.diagnose(network, random_batch(size=1025), 0.9, 1e-3)
    with pytest.raises(qd.InvalidValueError, match="discount"):
        qd.diagnose(network, batch, 1.5, 1e-3)
    with pytest.raises(qd.InvalidValueError, match="learning_rate"):
        qd.diagnose(network, batch, 0.9, 0.0)
    with pytest.raises(qd.InvalidValueError, match="loss"):
        qd.diagnose(network, batch, 0.9, 1e-3, loss="hinge")


def test_it_reads_well():
    text = str(qd.diagnose(mlp(), random_batch(), 0.9, 0.05))
    for part in ("VALUES.", "STABILITY.", "Row condition", "CAUSES.", "ADVICE.\n1. "):
        assert part in text
    assert "linearised, frozen" in text.lower() or "frozen kernel" in text
