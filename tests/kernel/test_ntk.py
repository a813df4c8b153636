import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.errors import InvalidTypeError, InvalidValueError, UnsupportedNetworkError
from qdiverge.kernel import NTK, empirical_ntk
from tests.asserts import assert_close, assert_symmetric, assert_untouched
from tests.reference import reference_kernel


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).double()


@pytest.mark.parametrize("method", ["auto", "per_sample", "reference"])
def test_kernel_equals_the_reference(method: str) -> None:
    net = mlp()
    x, a = torch.randn(5, 3).double(), torch.tensor([0, 1, 1, 0, 1])
    with assert_untouched(net):
        kernel = empirical_ntk(net, x, a, method=method)
        everything = empirical_ntk(net, x, "all", method=method)
        cross = empirical_ntk(net, x, a, x[:2], "all", method=method)
        diagonal = NTK(net, method=method).diagonal(x, a)
    assert_close(kernel, reference_kernel(net, x, a))
    assert_symmetric(kernel)
    assert_close(everything.reshape(10, 10), reference_kernel(net, x, "all"))
    assert_close(cross.reshape(5, 4), reference_kernel(net, x, a, x[:2], "all"))
    assert_close(diagonal, kernel.diagonal())


class Critic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(5, 1)

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([observations, actions], -1)).squeeze(-1)


def test_critic_and_frames() -> None:
    x, a = torch.randn(4, 3), torch.randn(4, 2)
    inputs = torch.cat([x, a], -1)
    assert_close(empirical_ntk(Critic(), x, a), inputs @ inputs.T + 1, 1e-5)
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))

    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return self.net(frames.float() / 255)

    frames = torch.randint(0, 256, (3, 2, 2, 2), dtype=torch.uint8)
    scaled = frames.flatten(1).double() / 255
    kernel = empirical_ntk(Frames(), frames, torch.zeros(3, dtype=torch.long), dtype=torch.float64)
    assert_close(kernel, scaled @ scaled.T + 1)


BAD = [
    (torch.randn(0, 3), torch.zeros(0, dtype=torch.long), InvalidValueError, "N ≥ 1"),
    (torch.full((2, 3), float("nan")), torch.tensor([0, 1]), InvalidValueError, "finite"),
    (torch.randn(2, 3), torch.tensor([0, 2]), InvalidValueError, "0 … 1"),
    (torch.randn(2, 3), torch.tensor([-1, 1]), InvalidValueError, "0 … 1"),
    (torch.randn(2, 3), torch.tensor([0]), InvalidValueError, r"shape \[2\]"),
    (torch.randn(2, 3), torch.tensor([0.0, 1.0]), InvalidValueError, r"actions.long\(\)"),
    (torch.randn(2, 3), torch.tensor([True, False]), InvalidTypeError, "integers"),
    (torch.randn(2, 3), "every", InvalidValueError, "all"),
    ([[1.0]], torch.tensor([0]), InvalidTypeError, "tensor"),
]


@pytest.mark.parametrize(("x", "a", "error", "words"), BAD)
def test_bad_input_is_refused(x: object, a: object, error: type, words: str) -> None:
    net = nn.Linear(3, 2)
    with assert_untouched(net), pytest.raises(error, match=words):
        empirical_ntk(net, x, a)


class Centred(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


class Noisy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x)


class Draws(nn.Module):
    """Noise from outside torch."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.draw()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.BatchNorm1d(3), "1 .BatchNorm1d.*eval"),
        (nn.Dropout(0.5), "1 .Dropout.*active"),
        (Centred(), "rest of the batch in 1"),
        (Noisy(), "random numbers drawn in 1"),
        (Draws(random.random), "random numbers drawn in 1"),
        (Draws(np.random.rand), "random numbers drawn in 1"),
    ],
)
def test_networks_without_a_per_sample_gradient_are_refused(module: nn.Module, words: str) -> None:
    net = nn.Sequential(nn.Linear(3, 3), module, nn.Linear(3, 2))
    observations, actions = torch.randn(4, 3), torch.zeros(4, dtype=torch.long)
    with assert_untouched(net), pytest.raises(UnsupportedNetworkError, match=words):
        empirical_ntk(net, observations, actions)


def test_a_generator_of_the_networks_own_is_put_back() -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    net = nn.Sequential(nn.Linear(3, 2), Draws(generator.random))
    with pytest.raises(UnsupportedNetworkError):
        empirical_ntk(net, torch.randn(64, 3), torch.zeros(64, dtype=torch.long))
    assert generator.bit_generator.state == before


def test_all_actions_are_answered_as_pairs_by_actions() -> None:
    net, x = mlp(), torch.randn(4, 3).double()
    ntk, rho = NTK(net), torch.full((4, 2), 1 / 8).double()
    matrix = ntk.kernel(x, "all").reshape(8, 8)
    assert_close(ntk.diagonal(x, "all"), matrix.diagonal().reshape(4, 2))
    assert_close(ntk.abs_row_sums(x, "all", rho), matrix.abs().mean(1).reshape(4, 2))


def test_a_vector_of_another_shape_is_refused_with_both_shapes() -> None:
    x = torch.randn(4, 3).double()
    for actions, expected in ((torch.zeros(4, dtype=torch.long), r"\[4\]"), ("all", r"\[4, 2\]")):
        message = rf"vector must have shape {expected}; got \[5\]"
        with pytest.raises(InvalidValueError, match=message):
            NTK(mlp()).matvec(x, actions, torch.ones(5, dtype=torch.float64))


def test_layers_of_a_cross_kernel_sum_to_it() -> None:
    net, x = mlp(), torch.randn(5, 3).double()
    a, ntk = torch.tensor([0, 1, 1, 0, 1]), NTK(net)
    layers = ntk.by_layer(x, a, x[:2], "all")
    assert list(layers) == ["0", "2"]
    assert_close(torch.stack(list(layers.values())).sum(0), ntk.kernel(x, a, x[:2], "all"))


def test_the_one_shot_form_takes_every_option() -> None:
    net, x, a = mlp().float(), torch.randn(5, 3), torch.zeros(5, dtype=torch.long)
    rounded = empirical_ntk(net, x, a, gram_precision="bf16")
    assert torch.equal(rounded, NTK(net, gram_precision="bf16").kernel(x, a))
    assert not torch.equal(rounded, empirical_ntk(net, x, a))


@pytest.mark.parametrize("block_size", [None, 3])
def test_kernels_of_all_actions_and_their_layers_in_one_pass(block_size):
    generator = torch.Generator().manual_seed(5)
    s, following = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    a, greedy = torch.randint(3, (2, 7), generator=generator)
    net = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3)).double()
    ntk = NTK(net, block_size=block_size)
    whole, own, layers = ntk.of_actions(s, a, following, greedy)
    torch.testing.assert_close(whole, ntk.kernel(s, a, following, "all"))
    for name, block in ntk.by_layer(s, a, following, greedy).items():
        torch.testing.assert_close(layers[name], block)
    for name, block in ntk.by_layer(s, a).items():
        torch.testing.assert_close(own[name], block)
        assert torch.equal(own[name], own[name].T)
    assert own.keys() == layers.keys() == {"0", "2"}
    torch.testing.assert_close(whole[:, torch.arange(7), greedy], sum(layers.values()))
