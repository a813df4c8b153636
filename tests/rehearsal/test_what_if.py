"""Remedies rehearsed: what each changes, which is chosen, and that it cures the run itself."""

import copy

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.rehearsal.batches import as_batches
from qdiverge.rehearsal.changes import changed, usual_changes
from qdiverge.rehearsal.learner import Learner, Original
from qdiverge.rehearsal.run_ahead import run_ahead
from qdiverge.transitions import Transitions
from tests.rehearsal.test_rehearse import mlp, two_states

CPU = torch.device("cpu")


def leading_outward(seed=0, size=64):
    """Return a network and data whose successors lie further out than its states."""
    torch.manual_seed(seed)
    s = torch.randn(size, 4)
    after = 1.3 * s + 0.1 * torch.randn(size, 4)
    q = mlp(seed, width=64)
    return q, Transitions(s, torch.randint(3, (size,)), torch.zeros(size), after, torch.zeros(size))


def test_a_change_sets_the_field_and_the_optimiser():
    q = mlp()
    adam = torch.optim.Adam(
        [{"params": q[0].parameters(), "lr": 0.01}, {"params": q[2].parameters(), "lr": 0.002}]
    )
    original = Original((q,), (), adam, qd.UpdateRule(learning_rate=0.01, target_period=7))
    quarter = Learner(changed(original, {"learning_rate": 0.0025})).copies.optimizers[0]
    assert [g["lr"] for g in quarter.param_groups] == pytest.approx([0.0025, 0.0005])
    averaged = changed(original, {"polyak": 0.01})
    assert (averaged.rule.polyak, averaged.rule.target_period) == (0.01, None)
    assert averaged.rule.sources["polyak"] == "given"
    assert [g["lr"] for g in adam.param_groups] == [0.01, 0.002]
    with pytest.raises(qd.InvalidValueError, match="momentum"):
        changed(original, {"momentum": 0.5})
    with pytest.raises(qd.InvalidValueError, match="polyak"):
        changed(original, {"polyak": 2.0})


def test_a_target_where_none_was_is_a_copy_of_the_network():
    q = mlp()
    sgd = torch.optim.SGD(q.parameters(), lr=0.1)
    original = changed(
        Original((q,), (), sgd, qd.UpdateRule()), {"target_period": 3, "bootstrap": "target_q"}
    )
    learner = Learner(original)
    (slow,), (own,) = learner.copies.targets, learner.copies.networks
    assert slow is not own
    assert torch.equal(slow[0].weight, q[0].weight)


def test_remedies_come_the_mildest_first_and_leave_out_what_there_is():
    bare = list(usual_changes(qd.UpdateRule(), is_critic=False))
    assert bare[0] == "learning rate / 4"
    assert "target copied every 100 updates, double Q" in bare
    slow = usual_changes(
        qd.UpdateRule(target_period=500, bootstrap="double_q", clipping=0.5), is_critic=False
    )
    assert list(slow) == ["learning rate / 4", "learning rate / 16"]
    critic = usual_changes(qd.UpdateRule(polyak=0.1, critics="min"), is_critic=True)
    assert critic["target averaged with τ = 0.005"]["polyak"] == 0.005


def test_what_holds_in_rehearsal_holds_in_the_run():
    q, data = leading_outward()
    adam = torch.optim.Adam(q.parameters(), lr=3e-3)
    given = {"optimizer": adam, "discount": 0.99, "loss": "squared", "reward_bound": 0.1}
    options = qd.what_if(q, data, **given, batch_size=32, num_updates=300)
    assert options.rows[0].diverges
    best = options.best
    assert best is not None
    assert best.change in str(options)
    original = Original((q,), (), adam, qd.UpdateRule(loss="squared", learning_rate=3e-3))
    batches = as_batches(data, 32, CPU, torch.float32)
    for setting, diverges in (({}, True), (best.setting, False)):
        run = run_ahead(
            changed(original, setting), batches, limit=10.0, num_updates=300, seed=12345
        )
        assert (run.passed is not None) == diverges


def test_where_nothing_is_wrong_nothing_is_to_change():
    q, data = two_states()
    sgd = torch.optim.SGD(q.parameters(), lr=0.1)
    calm = qd.what_if(
        q, data, optimizer=sgd, discount=0.3, loss="half_squared", reward_bound=2.0,
        num_updates=20, num_orders=1,
    )  # fmt: skip
    assert calm.best.change == "as it is"
    assert "Nothing needs to change" in str(calm)
    assert calm.rows[0].cost == 20
    none = qd.what_if(
        q, data, optimizer=sgd, discount=0.9, loss="half_squared", reward_bound=0.5,
        changes={"hardly": {"learning_rate": 0.099}}, num_updates=60,
    )  # fmt: skip
    assert none.best is None
    assert "None of these" in str(none)


def test_a_preflight_calls_what_is_about_to_diverge_and_says_what_helps():
    q, data = leading_outward()
    adam = torch.optim.Adam(q.parameters(), lr=3e-3)
    before = copy.deepcopy(q.state_dict())
    flight = qd.preflight(q, data, optimizer=adam, loss="squared", reward_bound=0.1)
    assert flight.verdict == "diverges"
    assert flight.options is not None
    assert "about to diverge" in str(flight)
    assert flight.diagnosis is None or flight.diagnosis.stability.verdict != "certified"
    assert all(torch.equal(v, q.state_dict()[k]) for k, v in before.items())
    assert not adam.state


def test_a_preflight_leaves_calm_runs_calm():
    torch.manual_seed(0)
    q, s = nn.Linear(3, 2), torch.randn(32, 3)
    data = Transitions(s, torch.arange(32) % 2, torch.ones(32), s.roll(1, 0), torch.ones(32))
    flight = qd.preflight(q, data, optimizer=torch.optim.SGD(q.parameters(), lr=0.05))
    assert flight.verdict == "sound"
    assert flight.options is None
    assert "Theory" in str(flight)
