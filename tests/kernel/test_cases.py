"""Every network of the table, every method, against autograd loops in float64."""

import functools

import pytest
import torch
from torch import Tensor

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel import NTK
from tests.asserts import (
    assert_close,
    assert_positive_semidefinite,
    assert_symmetric,
    assert_untouched,
)
from tests.cases import CASES, Case
from tests.reference import gram_of, reference_jacobian, reference_kernel

RELATIVE = 1e-12


@functools.cache
def made(name: str) -> Case:
    return CASES[name]()


@functools.cache
def jacobian(name: str) -> dict[str, Tensor]:
    case = made(name)
    return reference_jacobian(case.q_net, case.observations, case.actions)


@functools.cache
def expected(name: str) -> Tensor:
    return gram_of(jacobian(name))


def test_the_table_is_long() -> None:
    assert len(CASES) >= 50


@pytest.mark.parametrize("name", CASES)
def test_structured_is_exact(name: str) -> None:
    case = made(name)
    with assert_untouched(case.q_net):
        kernel = NTK(case.q_net).kernel(case.observations, case.actions)
    assert_close(kernel, expected(name), RELATIVE)
    assert_symmetric(kernel)
    assert_positive_semidefinite(kernel)


@pytest.mark.parametrize("name", CASES)
def test_the_loop_is_exact(name: str) -> None:
    case = made(name)
    with assert_untouched(case.q_net):
        kernel = NTK(case.q_net, method="reference").kernel(case.observations, case.actions)
    assert_close(kernel, expected(name), RELATIVE)


@pytest.mark.parametrize("name", CASES)
def test_everything_else_agrees_with_the_kernel(name: str) -> None:
    case = made(name)
    x, a = case.observations, case.actions
    ntk, kernel = NTK(case.q_net), expected(name)
    rho = torch.linspace(1, 2, len(x), dtype=kernel.dtype)
    rho /= rho.sum()
    with assert_untouched(case.q_net):
        cross = ntk.kernel(x, a, x[2:], a[2:])
        diagonal = ntk.diagonal(x, a)
        sums = ntk.abs_row_sums(x, a, rho)
        product = ntk.matvec(x, a, rho)
        layers = ntk.by_layer(x, a)
    assert_close(cross, kernel[:, 2:], RELATIVE)
    assert_close(diagonal, kernel.diagonal(), RELATIVE)
    assert_close(sums, kernel.abs() @ rho, RELATIVE)
    assert_close(product, kernel @ rho, RELATIVE)
    assert_close(torch.stack(list(layers.values())).sum(0), kernel, RELATIVE)
    names = {n for n, p in case.q_net.named_parameters() if p.requires_grad}
    assert {e.name for e in ntk.plan(x, a).entries} == names


@pytest.mark.parametrize("name", [n for n in CASES if not n.startswith("critic")])
def test_all_actions_are_exact(name: str) -> None:
    case = made(name)
    kernel = NTK(case.q_net).kernel(case.observations, "all")
    flat = kernel.reshape(-1, kernel.shape[-1] * kernel.shape[-2])
    assert_close(flat, reference_kernel(case.q_net, case.observations, "all"), RELATIVE)
    chosen = torch.arange(len(case.actions)), case.actions
    assert_close(kernel[chosen[0], chosen[1]][:, chosen[0], chosen[1]], expected(name), RELATIVE)


@pytest.mark.parametrize("name", CASES)
def test_a_preconditioner_is_exact(name: str) -> None:
    case = made(name)
    scales = {n: torch.rand_like(j[0]) + 0.1 for n, j in jacobian(name).items()}
    ntk = NTK(case.q_net, preconditioner=scales)
    want = gram_of(jacobian(name), scales)
    assert_close(ntk.kernel(case.observations, case.actions), want, RELATIVE)
    vector = torch.linspace(-1, 1, len(want), dtype=want.dtype)
    assert_close(ntk.matvec(case.observations, case.actions, vector), want @ vector, RELATIVE)
    assert_close(ntk.diagonal(case.observations, case.actions), want.diagonal(), RELATIVE)


NOT_VECTORISED = ("lstm_cell", "gru_cell", "fused_lstm", "fused_gru_time_first")


@pytest.mark.parametrize("name", NOT_VECTORISED)
def test_per_sample_refuses_what_torch_cannot_vectorise(name: str) -> None:
    case = made(name)
    message = r"vectorise; got .{10,}\. Use method=.* or \"reference\""  # torch says what it is
    with assert_untouched(case.q_net), pytest.raises(UnsupportedNetworkError, match=message):
        NTK(case.q_net, method="per_sample").kernel(case.observations, case.actions)


@pytest.mark.parametrize("name", [n for n in CASES if n not in NOT_VECTORISED])
def test_per_sample_is_exact(name: str) -> None:
    case = made(name)
    kernel = NTK(case.q_net, method="per_sample").kernel(case.observations, case.actions)
    assert_close(kernel, expected(name), RELATIVE)
