"""From what size on values are called divergent: on small runs whose truth is known."""

import torch
from torch import nn

import qdiverge as qd
from qdiverge.report.verdict import judge
from qdiverge.runs import load_run

LIGHT = {"max_overhead": None, "cost": "light", "foresight": False, "audit_period": None}


def table(*values):
    """Return a network of one action whose inputs are unit vectors: a table of values."""
    network = nn.Linear(len(values), 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([values]))
    return network


def staying(rewards, num_states=2):
    """Return a batch in which each state leads to itself, [N] = one row a state."""
    s = torch.eye(num_states)
    rewards = torch.as_tensor(rewards).expand(num_states).clone()
    return qd.Transitions(s, torch.zeros(num_states).long(), rewards, s, torch.zeros(num_states))


def train(q, batches, out, *, discount=0.9, learning_rate=0.1, **options):
    """Regress Q on r + γ max Q(s'), one update a batch; return the monitor."""
    sgd = torch.optim.SGD(q.parameters(), lr=learning_rate)
    options = LIGHT | {"loss": "half_squared", "every": 5} | options
    with qd.attach(q, optimizer=sgd, discount=discount, out=out, **options) as monitor:
        for batch in batches:
            monitor.batch(batch)
            s2, d = batch.next_observations, batch.terminated
            with torch.no_grad():
                y = batch.rewards + discount * (1 - d) * q(s2).amax(1)
            sgd.zero_grad()
            (0.5 * (q(batch.observations).amax(1) - y).square()).mean().backward()
            sgd.step()
    return monitor


def test_a_run_whose_best_values_are_the_bound_is_healthy(tmp_path):
    """Every step pays 1: Q* = 10 = r_max/(1−γ), and 10.2 with |δ| up to .03 is within .3 of it."""
    monitor = train(table(10.2, 9.7), 60 * [staying(1.0)], tmp_path / "run", on_alarm="stop")
    assert monitor.alarms == []
    assert monitor.verdict.startswith("healthy")
    verdict = judge(load_run(tmp_path / "run"))
    assert (verdict.health, verdict.bound_step) == ("healthy", None)
