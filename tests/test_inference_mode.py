"""Every door that learns or differentiates works where somebody evaluates, too."""

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.report.inspector import inspection_of
from qdiverge.update import update_exponent


def problem():
    torch.manual_seed(0)
    q_net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    s, s_next = torch.randn(2, 16, 3)
    shown = {"obs": s, "actions": torch.randint(2, (16,)), "rewards": torch.randn(16),
             "next_obs": s_next, "dones": torch.zeros(16), "weights": torch.ones(16)}  # fmt: skip
    adam = torch.optim.Adam(q_net.parameters(), lr=1e-3)
    q = q_net(s).gather(1, shown["actions"][:, None])[:, 0]
    y = shown["rewards"] + 0.9 * q_net(s_next).detach().amax(1)
    ((q - y).square() / 2).mean().backward()
    adam.step()
    return q_net, shown, adam


def plain(shown):
    return {name: value for name, value in shown.items() if name != "weights"}


DOORS = {
    "diagnose": lambda q, b, o: qd.diagnose(q, b, 0.9, optimizer=o),
    "inspect": lambda q, b, o: inspection_of(q, b, 0.9, optimizer=o).kernel.tolist(),
    "audit": lambda q, b, o: qd.audit(q, b, 0.9),
    "exponent": lambda q, b, o: update_exponent(q, plain(b), optimizer=o, discount=0.9),
    "rehearse": lambda q, b, o: qd.rehearse(q, [b], optimizer=o, discount=0.9, num_updates=5),
    "preflight": lambda q, b, o: qd.preflight(q, [b], optimizer=o, discount=0.9, num_updates=5),
    "what_if": lambda q, b, o: qd.what_if(q, [b], optimizer=o, discount=0.9, num_updates=5),
}


@pytest.mark.parametrize("name", DOORS)
def test_in_inference_mode_the_answer_is_the_same(name):
    q_net, shown, adam = problem()
    expected = str(DOORS[name](q_net, shown, adam))
    with torch.inference_mode():
        made_there = {key: value.clone() for key, value in shown.items()}
        assert str(DOORS[name](q_net, shown, adam)) == expected
        assert str(DOORS[name](q_net, made_there, adam)) == expected
        assert torch.is_inference_mode_enabled()
