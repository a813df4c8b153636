"""Nothing of the user's moves; what is copied is all that an update reads."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from qdiverge.transitions import Transitions
from qdiverge.update import update_exponent
from qdiverge.update.copies import copies_of
from qdiverge.update.state import State
from tests.asserts import assert_untouched


class Noisy(nn.Module):
    """Draws at every forward pass, counts, normalises, casts: all that a network may do."""

    def __init__(self):
        super().__init__()
        self.first = parametrizations.weight_norm(nn.Linear(4, 6))
        self.norm, self.last = nn.BatchNorm1d(6), nn.Linear(6, 3)

    def forward(self, x):
        h = torch.relu(self.norm(self.first(x.float())))
        return self.last(h + 0.01 * torch.randn(h.shape, device=h.device).to(h))


def trained(kind):
    torch.manual_seed(0)
    q_net = Noisy()
    optimizer = kind(q_net)
    s = torch.randn(8, 4)
    batch = Transitions(s, torch.arange(8) % 3, torch.randn(8), s + 0.1, torch.zeros(8))
    for _ in range(3):
        optimizer.zero_grad()
        q_net(s).square().mean().backward()
        optimizer.step()
    return q_net, optimizer, batch


KINDS = {
    "sgd": lambda net: torch.optim.SGD(net.parameters(), 0.1, 0.9),
    "adam": lambda net: torch.optim.Adam(net.parameters(), 1e-2, amsgrad=True),
    "fused": lambda net: torch.optim.AdamW(net.parameters(), 1e-2, fused=True),
    "rmsprop": lambda net: torch.optim.RMSprop(net.parameters(), 1e-2, centered=True),
    "two groups": lambda net: torch.optim.Adam(
        [{"params": net.last.parameters(), "lr": 1e-3}, {"params": net.first.parameters()}]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [{"polyak": 0.1}, {"target_period": 50}])
def test_nothing_of_the_users_moves(kind, target):
    q_net, optimizer, batch = trained(KINDS[kind])
    slow, seen = copy.deepcopy(q_net), []
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    optimizer.register_step_post_hook(lambda *_: seen.append("step"))
    q_net.register_forward_hook(lambda *_: seen.append("forward"))
    q_net.last.weight.register_hook(lambda gradient: seen.append("gradient"))
    before, rates = copy.deepcopy(optimizer.state_dict()), scheduler.get_last_lr()
    fields = copy.deepcopy(batch)
    with assert_untouched(q_net), assert_untouched(slow):
        found = update_exponent(q_net, batch, optimizer=optimizer, target=slow, **target)
    assert seen == []
    assert found.num_updates <= 60
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert scheduler.get_last_lr() == rates
    for index, entries in before["state"].items():
        for key, value in entries.items():
            assert torch.equal(torch.as_tensor(after["state"][index][key]), torch.as_tensor(value))
    assert all(torch.equal(getattr(fields, f), getattr(batch, f)) for f in vars(fields))


def test_the_same_seed_gives_the_same_answer_whatever_the_random_state():
    q_net, optimizer, batch = trained(KINDS["adam"])
    first = update_exponent(q_net, batch, optimizer=optimizer)
    torch.rand(3)
    assert update_exponent(q_net, batch, optimizer=optimizer) == first


@pytest.mark.parametrize("kind", KINDS)
def test_writing_a_state_back_brings_every_bit_of_an_update_back(kind):
    """Counts of steps and integer buffers too, so that x → x' is a function."""
    q_net, optimizer, batch = trained(KINDS[kind])
    copies = copies_of([q_net], [], [optimizer])
    state = State(copies)
    x = state.read()

    def update():
        torch.manual_seed(1)
        copies.optimizers[0].zero_grad()
        copies.networks[0](batch.observations).square().mean().backward()
        copies.optimizers[0].step()
        return state.read()

    first = update()
    assert not torch.equal(first, x)
    state.write(x)
    assert torch.equal(state.read(), x)
    assert torch.equal(update(), first)


def test_a_network_that_knows_float32_alone_is_measured_in_it():
    class Narrow(nn.Linear):
        def forward(self, x):
            assert x.dtype == torch.float32 or self.weight.dtype == torch.float64
            return super().forward(x) @ torch.eye(1, dtype=torch.float32).view(1, 1)

    q_net = Narrow(1, 1, bias=False)
    nn.init.ones_(q_net.weight)
    s = torch.ones(1, 1)
    batch = Transitions(s, torch.zeros(1).long(), torch.zeros(1), 2 * s, torch.zeros(1))
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    found = update_exponent(q_net, batch, optimizer=sgd, discount=0.9)
    assert found.growth == pytest.approx(1.08, abs=1e-3)


def test_hooks_that_normalise_weights_are_kept():
    """weight_norm of old is a hook that computes the weight: the copy learns through it."""
    layer = nn.Linear(2, 1)
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(layer)
    layer(torch.ones(1, 2))
    (copied,) = copies_of([layer], [], []).networks
    with torch.no_grad():
        copied.weight_g.mul_(2)
        assert torch.allclose(
            copied(torch.ones(1, 2)) - copied.bias, 2 * (layer(torch.ones(1, 2)) - layer.bias)
        )
