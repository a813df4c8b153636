"""Theorems of the kernel, over random shapes."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qdiverge.kernel import NTK
from tests.asserts import assert_close, assert_positive_semidefinite, assert_symmetric
from tests.reference import reference_kernel

FEW = settings(max_examples=8, deadline=None)


def sizes(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most)


@FEW
@given(sizes(6), sizes(5), sizes(7), sizes(4), st.booleans(), st.integers(0, 99))
def test_mlp_of_any_shape(
    num: int, inputs: int, width: int, num_actions: int, bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(inputs, width, bias), nn.Tanh(), nn.Linear(width, num_actions, bias)
    )
    check(net.double(), torch.randn(num, inputs, dtype=torch.float64), num_actions)


@FEW
@given(
    sizes(4),
    sizes(2),
    st.sampled_from([1, 2]),
    st.tuples(sizes(3), sizes(3)),
    st.tuples(sizes(3), sizes(3)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    sizes(2),
    st.integers(0, 99),
)
def test_convolution_of_any_shape(
    num: int,
    channels: int,
    groups: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: int,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    conv = nn.Conv2d(channels * groups, 2 * groups, kernel, stride, padding, dilation, groups)
    x = torch.randn(num, channels * groups, 7, 6, dtype=torch.float64)
    places = conv(x[:1].float()).numel()
    check(nn.Sequential(conv, nn.Tanh(), nn.Flatten(), nn.Linear(places, 2)).double(), x, 2)


@FEW
@given(sizes(5), sizes(4), sizes(5), sizes(12), st.integers(0, 99))
def test_sequence_of_any_shape(num: int, length: int, inputs: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    layers = nn.Linear(inputs, width), nn.Tanh(), nn.LayerNorm(width), nn.Flatten()
    net = nn.Sequential(*layers, nn.Linear(length * width, 3)).double()
    check(net, torch.randn(num, length, inputs, dtype=torch.float64), 3)


def check(net: nn.Module, x: torch.Tensor, num_actions: int) -> None:
    """Exact, symmetric, positive semi-definite, and permuted with its pairs."""
    actions = torch.arange(len(x)) % num_actions
    ntk = NTK(net)
    kernel = ntk.kernel(x, actions)
    assert_close(kernel, reference_kernel(net, x, actions))
    assert_symmetric(kernel)
    assert_positive_semidefinite(kernel)
    order = torch.randperm(len(x))
    assert_close(ntk.kernel(x[order], actions[order]), kernel[order][:, order])
    everything = ntk.kernel(x, "all").reshape(len(x) * num_actions, -1)
    assert_close(everything, reference_kernel(net, x, "all"))
    assert_close(ntk.diagonal(x, "all").flatten(), everything.diagonal())
