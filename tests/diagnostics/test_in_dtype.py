"""``diagnose(dtype=torch.float64)`` is the diagnosis of everything made float64 beforehand."""

import copy

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.report.inspector import inspection_of
from tests.diagnostics.test_diagnostics import assert_same, fingerprint


class Casts(nn.Module):
    """Casts its frames to float32 itself, as convolutional networks do."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, frames):
        return self.net(frames.float() / 255)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, s, a):
        return self.net(torch.cat([s, a], 1))


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, s):
        assert s.dtype == self.layer.weight.dtype
        return self.dropout(self.layer(s))


def frames_batch(size=8):
    s, s_next = torch.randint(256, (2, size, 3)).to(torch.uint8)
    actions = torch.randint(2, (size,))
    return qd.Transitions(s, actions, torch.randn(size), s_next, torch.zeros(size))


def trained(net, loss, num_updates=20):
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(num_updates):
        adam.zero_grad()
        loss().backward()
        adam.step()
    return adam


def numbers(diagnosis):
    stability = diagnosis.stability
    return [stability.verdict, stability.spectral_radius, stability.max_learning_rate,
            diagnosis.linearisation_error, diagnosis.td_errors.tolist()]  # fmt: skip


def as_double(net, adam):
    twin, state = copy.deepcopy((net, adam))
    twin.double()
    for entries in state.state.values():
        entries.update({k: v.double() for k, v in entries.items() if k != "step"})
    return twin, state


def test_of_a_network_with_adam_and_a_slow_target():
    torch.manual_seed(0)
    net, batch = Casts(), frames_batch()
    adam = trained(net, lambda: net(batch.observations).square().mean())
    slow = copy.deepcopy(net)
    before = fingerprint(net), fingerprint(slow), copy.deepcopy(adam.state_dict())
    options = {"discount": 0.9, "polyak": 0.005, "loss": "huber"}
    found = qd.diagnose(net, batch, target=slow, optimizer=adam, dtype=torch.float64, **options)
    assert_same(before[0], fingerprint(net))
    assert_same(before[1], fingerprint(slow))
    assert str(before[2]) == str(adam.state_dict())
    twin, state = as_double(net, adam)
    for module in (twin, slow.double()):
        module.forward = lambda frames, own=module: own.net(frames.double() / 255)  # type: ignore[method-assign]
    expected = qd.diagnose(twin, batch, target=slow, optimizer=state, **options)
    assert numbers(found) == numbers(expected)
    assert found.td_errors.dtype == torch.float64
    plain = qd.diagnose(net, batch, target=None, optimizer=adam, **options | {"polyak": None})
    assert plain.td_errors.dtype == torch.float32


def test_of_critics_whose_policy_stays_as_it_is():
    torch.manual_seed(0)
    critics, actor = [Critic(), Critic()], Actor().train()
    both = nn.ModuleList(critics)
    s, s_next, a, r = torch.randn(6, 3), torch.randn(6, 3), torch.randn(6, 1), torch.randn(6)
    batch = qd.Transitions(s, a, r, s_next, torch.zeros(6))
    adam = trained(both, lambda: sum(critic(s, a).square().mean() for critic in critics))
    slow = [copy.deepcopy(critic) for critic in critics]
    options = {"discount": 0.9, "polyak": 0.1}
    found = qd.diagnose(
        critics, batch, target=slow, optimizer=adam, policy=actor, dtype=torch.float64, **options
    )
    twins, state = as_double(both, adam)
    with torch.no_grad():
        a_next = actor.layer(s_next)
    shown = {"observations": s, "actions": a, "rewards": r, "next_observations": s_next,
             "terminated": torch.zeros(6), "next_actions": a_next}  # fmt: skip
    expected = qd.diagnose(
        list(twins), shown, target=[c.double() for c in slow], optimizer=state, **options
    )
    assert numbers(found) == numbers(expected)
    assert actor.training
    assert actor.layer.weight.dtype == torch.float32


def test_a_slow_mode_that_float32_hides():
    """Two pairs that are nearly one: of K = FFᵀ the lesser eigenvalue is 1e-8 of the larger one."""
    net = nn.Linear(2, 1, bias=False)
    s = torch.tensor([[1.0, 0.3], [0.3, 0.0901]])
    batch = qd.Transitions(s, torch.zeros(2).long(), torch.zeros(2), s, torch.ones(2))
    hidden = qd.diagnose(net, batch, learning_rate=0.02)
    assert hidden.stability.verdict == "undecided"
    assert "float64" in hidden.stability.reason
    assert qd.diagnose(net, batch, learning_rate=0.02, dtype=torch.float64).stability.verdict == (
        "certified"
    )


def test_other_dtypes_are_refused():
    net = nn.Linear(3, 2)
    batch = qd.Transitions(torch.randn(2, 3), torch.zeros(2).long(), torch.zeros(2),
                           torch.randn(2, 3), torch.zeros(2))  # fmt: skip
    for dtype in (torch.float16, "float64", 64):
        with pytest.raises(qd.QDivergeError, match="dtype must be torch"):
            qd.diagnose(net, batch, dtype=dtype)


def test_an_inspection_is_in_that_dtype_at_the_optimisers_step():
    torch.manual_seed(0)
    net, batch = Casts(), frames_batch()
    adam = trained(net, lambda: net(batch.observations).square().mean())
    found = inspection_of(net, batch, optimizer=adam, dtype=torch.float64)
    assert found.values.dtype == "float64"
    assert found.diagnosis.learning_rate == 1e-3
    assert torch.equal(found.diagnosis.td_errors, torch.as_tensor(found.td_errors))
