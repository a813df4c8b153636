"""Situations in which a verdict about another update than the run's came out: the monitor's part.

What ``diagnose`` says of momentum, weights and other optimisers is in
``tests/diagnostics/test_update_rule.py``.
"""

import copy
import warnings

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.monitor import attach
from qdiverge.runs import load_run


def shown(s, following, rewards):
    zero = torch.zeros(len(s))
    return {"obs": s, "actions": zero.long(), "rewards": rewards, "next_obs": following,
            "dones": zero}  # fmt: skip


def update(q, optimizer, batch, discount, target=None):
    with torch.no_grad():
        y = batch["rewards"] + discount * (target or q)(batch["next_obs"]).amax(1)
    chosen = q(batch["obs"]).gather(1, batch["actions"][:, None])[:, 0]
    optimizer.zero_grad()
    (0.5 * (chosen - y) ** 2).mean().backward()
    optimizer.step()


def said(monitor):
    return [alarm.rule for alarm in monitor.alarms if alarm.kind == "loop"]


def watched(q, optimizer, tmp_path, **options):
    return attach(q, optimizer=optimizer, discount=0.9, loss="half_squared", every=5,
                  max_overhead=None, out=tmp_path / "run", **options)  # fmt: skip


def test_momentum_has_its_own_radius_under_the_monitor_too(tmp_path):
    q = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(q.parameters(), lr=0.2, momentum=0.9)
    turned = 1.5 * torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    with attach(q, optimizer=optimizer, discount=0.99, loss="half_squared", every=1, cost="full",
                max_overhead=None, probe_size=2, out=tmp_path / "run") as monitor:  # fmt: skip
        batch = monitor.batch(shown(torch.eye(2), turned, torch.ones(2)))
        update(q, optimizer, batch, 0.99)
    assert monitor.latest["diverge/spectral_radius"] == pytest.approx(1.169, abs=1e-3)


def with_target():
    """A network, a copy of it as its target, its optimiser, and a batch."""
    torch.manual_seed(0)
    q = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    s, following = torch.randn(2, 64, 4)
    batch = shown(s, following, torch.rand(64)) | {"actions": torch.randint(3, (64,))}
    return q, copy.deepcopy(q), torch.optim.Adam(q.parameters(), 3e-3), batch


def test_a_target_that_is_another_object_each_time_is_named(tmp_path):
    q, target, optimizer, batch = with_target()
    with (
        pytest.warns(UserWarning, match="re-bound to another object"),
        watched(q, optimizer, tmp_path, target=target, audit_period=20) as monitor,
    ):
        for number in range(1, 301):
            update(q, optimizer, monitor.batch(batch), 0.9, target)
            if number % 20 == 0:
                target = copy.deepcopy(q)
    assert said(monitor) == ["targets_differ"]


@pytest.mark.parametrize("cost", ["light", "full"])
def test_a_target_that_is_looked_up_is_the_present_one(cost, tmp_path):
    q, target, optimizer, batch = with_target()
    with watched(
        q, optimizer, tmp_path, target=lambda: target, audit_period=5, cost=cost
    ) as monitor:
        for number in range(1, 301):
            update(q, optimizer, monitor.batch(batch), 0.9, target)
            if number % 20 == 0:
                target = copy.deepcopy(q)
    assert said(monitor) == []
    assert monitor.rule.target_period == 20
    with torch.no_grad():
        y = batch["rewards"] + 0.9 * target(batch["next_obs"]).amax(1)
        errors = y - q(batch["obs"]).gather(1, batch["actions"][:, None])[:, 0]
    mean = monitor.latest["diverge/td_error_abs_mean"]
    assert mean == pytest.approx(float(errors.abs().mean()), rel=1e-4)


def test_an_optimiser_made_anew_is_noticed_and_watched(tmp_path):
    torch.manual_seed(0)
    q, s = nn.Linear(1, 1, bias=False), torch.rand(8, 1)
    optimizer = torch.optim.SGD(q.parameters(), 0.001)
    batch = shown(s, 2 * s, torch.full((8,), 0.1))
    with (
        pytest.warns(UserWarning, match="the watched one was replaced"),
        watched(q, optimizer, tmp_path) as monitor,
    ):
        for number in range(500):
            update(q, optimizer, monitor.batch(batch), 0.9)
            if number == 50:
                optimizer = torch.optim.SGD(q.parameters(), 0.1)
    assert monitor.num_updates == 496
    assert said(monitor) == ["optimizer_replaced"]
    assert monitor.alarms[0].update == 51
    assert monitor.rule.learning_rate == 0.1
    assert "was replaced" in monitor.verdict
    assert "soft_divergence" in [alarm.rule for alarm in monitor.alarms]  # it is seen again


def test_two_optimisers_that_take_turns_are_no_replacement(tmp_path):
    torch.manual_seed(0)
    q, s = nn.Linear(1, 1), torch.rand(8, 1)
    first, second = (torch.optim.SGD(q.parameters(), 0.001) for _ in range(2))
    batch = shown(s, 0.5 * s, torch.rand(8))
    with watched(q, first, tmp_path, audit_period=None) as monitor:
        for number in range(60):
            update(q, second if number % 3 else first, monitor.batch(batch), 0.9)
    assert (said(monitor), monitor.num_updates) == ([], 20)


def test_steps_of_no_optimiser_are_noticed(tmp_path):
    torch.manual_seed(0)
    q, s = nn.Linear(1, 1, bias=False), torch.rand(8, 1)
    optimizer = torch.optim.SGD(q.parameters(), 0.001)
    batch = shown(s, 0.5 * s, torch.rand(8))
    with (
        pytest.warns(UserWarning, match="was it made anew"),
        watched(q, optimizer, tmp_path) as monitor,
    ):
        update(q, optimizer, monitor.batch(batch), 0.9)
        for _ in range(250):
            monitor.batch(batch)
            with torch.no_grad():
                q.weight.mul_(0.999)  # as a step written by hand
    assert said(monitor) == ["optimizer_never_steps"]


def test_batches_of_an_evaluation_are_no_idle_optimiser(tmp_path):
    torch.manual_seed(0)
    q, s = nn.Linear(1, 1, bias=False), torch.rand(8, 1)
    optimizer = torch.optim.SGD(q.parameters(), 0.001)
    with watched(q, optimizer, tmp_path) as monitor:
        for number in range(600):
            batch = monitor.batch(shown(s, 0.5 * s, torch.rand(8)))
            if number < 10 or number % 250 == 0:  # the others are looked at, or gathered
                update(q, optimizer, batch, 0.9)
    assert said(monitor) == []


@pytest.mark.parametrize("kind", ["NAdam", "Adamax", "Adagrad", "RAdam"])
def test_no_number_of_another_optimisers_step_is_logged(tmp_path, kind):
    torch.manual_seed(0)
    q, s = nn.Linear(3, 1), torch.rand(8, 3)
    optimizer = getattr(torch.optim, kind)(q.parameters(), lr=1e-3)
    with watched(q, optimizer, tmp_path, cost="full") as monitor:
        for _ in range(10):
            update(q, optimizer, monitor.batch(shown(s, s, torch.rand(8))), 0.9)
    run = load_run(tmp_path / "run")
    assert run.info["diagnostics_off"]["Stability"] == f"{kind} is not modelled"
    names = ("spectral_radius", "linearisation_error", "max_stable_learning_rate")
    assert not any(f"diverge/{name}" in run.series for name in names)


def test_weights_of_prioritised_replay_are_in_the_monitors_map(tmp_path):
    """The loss is ½ Σ w_i δ_i²/N: radius 1.0027, and 1.1333 without the weights."""
    q, optimizer_step = nn.Linear(3, 1, bias=False), 0.5
    optimizer = torch.optim.SGD(q.parameters(), optimizer_step)
    batch = shown(torch.eye(3), torch.diag(torch.tensor([2.0, 0.0, 0.0])), torch.zeros(3))
    batch["weights"] = torch.tensor([0.02, 1.0, 1.0])
    with watched(q, optimizer, tmp_path, cost="full", probe_size=3) as monitor:
        for _ in range(5):
            monitor.batch(batch)
            y = 0.9 * q(batch["next_obs"])[:, 0].detach()
            optimizer.zero_grad()
            (0.5 * batch["weights"] * (q(batch["obs"])[:, 0] - y) ** 2).mean().backward()
            optimizer.step()
    assert monitor.latest["diverge/spectral_radius"] == pytest.approx(1.002666, abs=1e-5)


def test_batch_norm_that_trains_is_another_function_and_said_to_be(tmp_path):
    torch.manual_seed(0)
    q = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(q.parameters(), 1e-3)
    s, following = torch.randn(2, 64, 4)
    batch = shown(s, following, torch.rand(64))
    with watched(q, optimizer, tmp_path, audit_period=None) as monitor:
        for _ in range(6):
            update(q, optimizer, monitor.batch(batch), 0.9)
    told = "learns with the statistics of its batch (BatchNorm1d) and is measured without"
    assert told in load_run(tmp_path / "run").info["measured_otherwise"]
    assert told in monitor.verdict
    assert "healthy" not in monitor.verdict
    report = qd.diagnose(q, batch, 0.9, optimizer=optimizer).stability
    assert (report.verdict, told in report.reason) == ("undecided", True)
    q.eval()  # what is measured is then what acts and learns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert told not in qd.diagnose(q, batch, 0.9, optimizer=optimizer).stability.reason
