"""M of a live optimiser is the derivative of its next step."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RMSprop

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.kernel import NTK
from tests.asserts import assert_close, assert_untouched
from tests.reference import reference_kernel

MAKERS = {
    "adam": lambda p: Adam(p, lr=0.1, eps=1e-3),
    "amsgrad": lambda p: Adam(p, lr=0.1, eps=1e-3, amsgrad=True),
    "adamw": lambda p: AdamW(p, lr=0.1, weight_decay=0.0),
    "rmsprop": lambda p: RMSprop(p, lr=0.1, eps=1e-2),
    "rmsprop centred": lambda p: RMSprop(p, lr=0.1, eps=1e-2, centered=True),
    "sgd": lambda p: SGD(p, lr=0.1),
}


def trained(name: str) -> tuple[nn.Module, Optimizer, torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    optimizer = MAKERS[name](net.parameters())
    x = torch.randn(4, 3, dtype=torch.float64)
    for _ in range(3):
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()
    return net, optimizer, x


def second_moment_map(optimizer: Optimizer, p: nn.Parameter) -> torch.Tensor:
    """Return −Δp/(α g) of one more step that keeps the second moments as they are."""
    frozen = copy.deepcopy(optimizer)
    index = next(i for i, q in enumerate(optimizer.param_groups[0]["params"]) if q is p)
    clone = frozen.param_groups[0]["params"][index]
    group = frozen.param_groups[0]
    before = clone.detach().clone()
    clone.grad = torch.ones_like(clone)
    if "alpha" in group:
        group["alpha"] = 1.0
    for other in frozen.param_groups[0]["params"]:
        if other is not clone:
            other.grad = None
    frozen.step()
    return (before - clone.detach()) / group["lr"]


@pytest.mark.parametrize("name", [n for n in MAKERS if "rms" in n or n == "sgd"])
def test_the_map_is_the_optimisers_own_step(name: str) -> None:
    net, optimizer, x = trained(name)
    scales = {n: second_moment_map(optimizer, p) for n, p in net.named_parameters()}
    check(net, optimizer, x, scales)


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamw"])
def test_adam_is_corrected_for_its_start(name: str) -> None:
    net, optimizer, x = trained(name)
    scales = {}
    for n, p in net.named_parameters():
        state, group = optimizer.state[p], optimizer.param_groups[0]
        moment = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
        corrected = moment / (1 - 0.999 ** int(state["step"]))
        scales[n] = 1 / (corrected.sqrt() + group["eps"])
    check(net, optimizer, x, scales)


def check(net: nn.Module, optimizer: Optimizer, x: torch.Tensor, scales: dict) -> None:
    actions = torch.tensor([0, 1, 1, 0])
    want = reference_kernel(net, x, actions, preconditioner=scales)
    state = copy.deepcopy(optimizer.state_dict())
    with assert_untouched(net):
        live = NTK(net, preconditioner=optimizer).kernel(x, actions)
    assert_close(live, want)
    assert_close(NTK(net, preconditioner=scales, method="reference").kernel(x, actions), want)
    assert_close(NTK(net, preconditioner=scales, method="per_sample").kernel(x, actions), want)
    assert str(state) == str(optimizer.state_dict())


def test_what_cannot_be_a_preconditioner_is_refused() -> None:
    net, x, a = nn.Linear(2, 2), torch.randn(3, 2), torch.zeros(3, dtype=torch.long)
    ones = {n: torch.ones_like(p) for n, p in net.named_parameters()}
    cases = [
        (Adam(net.parameters()), InvalidValueError, "one optimiser step"),
        (Adam([nn.Parameter(torch.ones(1))]), InvalidValueError, "none of them"),
        ({"weight": ones["weight"]}, InvalidValueError, "none for bias"),
        ({**ones, "bias": torch.ones(3)}, InvalidValueError, r"shape \[2\]"),
        ({**ones, "bias": -ones["bias"]}, InvalidValueError, "≥ 0"),
        (3.0, InvalidTypeError, "dict"),
        (
            SGD([{"params": [net.weight], "lr": 1.0}, {"params": [net.bias], "lr": 2.0}]),
            InvalidValueError,
            "one learning rate",
        ),
    ]
    for bad, error, words in cases:
        with assert_untouched(net), pytest.raises(error, match=words):
            NTK(net, preconditioner=bad).kernel(x, a)
    other = NAdam(net.parameters())
    net(x).sum().backward()
    other.step()
    with pytest.raises(InvalidTypeError, match="NAdam"):
        NTK(net, preconditioner=other).kernel(x, a)
