"""The linear prediction against the update of a real network: a second-order remainder."""

import math

import pytest
import torch

from qdiverge.errors import InvalidValueError
from qdiverge.theory.linearisation import linearisation_error


def error_after_step(learning_rate):
    """ΔQ of a tanh network after one semi-gradient step, against αKDδ from autograd."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    net = net.double()
    x, delta = torch.randn(6, 3).double(), torch.randn(6).double()
    params = dict(net.named_parameters())

    def q(p):
        return torch.func.functional_call(net, p, (x,)).squeeze(1)

    jacobian = torch.func.jacrev(q)({k: v.detach() for k, v in params.items()})
    J = torch.cat([block.flatten(1) for block in jacobian.values()], 1)
    predicted = learning_rate * J @ J.T @ (delta / 6)
    step = learning_rate * J.T @ (delta / 6)
    before = q(params).detach()
    offset = 0
    moved = {}
    for name, value in params.items():
        moved[name] = value.detach() + step[offset : offset + value.numel()].view_as(value)
        offset += value.numel()
    return linearisation_error(predicted, q(moved).detach() - before)


def test_remainder_is_second_order():
    """Halving α halves the relative error, as O(‖Δθ‖²)/O(‖Δθ‖) must."""
    errors = [error_after_step(α) for α in (1e-2, 5e-3, 2.5e-3)]
    assert errors[0] < 0.1
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.05)


def test_zero_prediction():
    zero, one = torch.zeros(2), torch.ones(2)
    assert linearisation_error(zero, zero) == 0.0
    assert math.isinf(linearisation_error(zero, one))


def test_bad_input():
    with pytest.raises(InvalidValueError, match=r"shape of predicted, \[2\]; got \[3\]"):
        linearisation_error(torch.ones(2), torch.ones(3))
    with pytest.raises(InvalidValueError, match="actual must be finite"):
        linearisation_error(torch.ones(2), torch.full((2,), math.nan))
