"""Kernels of noisy networks: the mean over draws, against the closed form."""

import math

import pytest
import torch
from torch import Tensor, nn

import qdiverge as qd
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.diagnostics.noisy_weights import NUM_DRAWS, over_draws
from qdiverge.kernel import NTK


class Rebinding(nn.Linear):
    """Noise of weights, muted in evaluation and bound anew at each draw, as some libraries do."""

    def __init__(self) -> None:
        super().__init__(1, 1, bias=False)
        self.scale = nn.Parameter(torch.ones(1, 1))
        self.noise = torch.zeros(1, 1)

    def sample(self) -> None:
        self.noise = torch.randn(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        noise = self.noise if self.training else 0 * self.noise
        return nn.functional.linear(x, self.weight + self.scale * noise)


NoisyRebinding = type("NoisyRebinding", (Rebinding,), {})


def averaged(network: nn.Module, seed: int = 0) -> tuple[Tensor, float]:
    s, a = torch.tensor([[1.0], [2.0]]), torch.zeros(2, dtype=torch.int64)
    kernels, error = over_draws(network, lambda: {"K": NTK(network).kernel(s, a)}, seed)
    return kernels["K"], error


def test_the_mean_over_draws_is_that_of_the_closed_form():
    """Q = (μ + σ ε_out ε_in) x + …, E[ε²] = E|z| = √(2/π) =: m: E[K] = (1 + m²) x x' + 1 + m."""
    m = math.sqrt(2 / math.pi)
    expected = (1 + m**2) * 2.0 + 1 + m
    draws = torch.stack([averaged(NoisyLinear(1, 1), seed)[0][0, 1] for seed in range(200)])
    error = float(draws.std() / len(draws) ** 0.5)
    assert abs(float(draws.mean()) - expected) < 5 * error
    assert error < 0.05 * expected
    stated = averaged(NoisyLinear(1, 1))[1]
    assert 0.2 < stated / float(draws.std() / draws.mean()) < 5


def noise_of(network: nn.Module) -> list[Tensor]:
    plain = [value for value in network.__dict__.values() if isinstance(value, Tensor)]
    return [*network.buffers(), *plain]


@pytest.mark.parametrize("kind", [lambda: NoisyLinear(1, 1), NoisyRebinding])
def test_nothing_is_left_of_the_draws(kind):
    network = kind()
    before = torch.get_rng_state()
    noise = noise_of(network)
    values = [each.clone() for each in noise]
    K, error = averaged(network)
    assert error > 0
    assert float(K[0, 0]) > 1  # the scale has a gradient, which it has not at the mean
    assert network.training
    assert torch.equal(before, torch.get_rng_state())
    for was, value, now in zip(noise, values, noise_of(network), strict=True):
        assert now is was
        assert torch.equal(was, value)


def test_a_diagnosis_says_that_its_kernels_are_averages():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), NoisyLinear(16, 2))
    s = torch.randn(2, 8, 3)
    batch = qd.Transitions(s[0], torch.arange(8) % 2, torch.randn(8), s[1], torch.zeros(8))
    diagnosis = qd.diagnose(network, batch, learning_rate=0.01)
    assert diagnosis.stability.verdict == "undecided"
    assert "standard error" in diagnosis.stability.reason
    still = NTK(network).kernel(s[0], batch.actions)
    ratio = float(diagnosis.contraction.row_ratio.sum())
    assert math.isfinite(ratio)
    largest = float(torch.linalg.eigvalsh(still).max()) / 8
    assert 2 / diagnosis.stability.regression.max_learning_rate > 1.2 * largest


def test_without_noise_once_is_enough():
    calls = []
    kernels, error = over_draws(nn.Linear(1, 1), lambda: calls.append(1) or {"K": torch.ones(1)})
    assert (len(calls), error, float(kernels["K"])) == (1, 0.0, 1.0)
    assert NUM_DRAWS > 1
