"""What the first batches show to be wrong is said, once, and no run is called healthy then."""

import pytest
import torch
from torch import nn

from qdiverge.monitor import attach
from qdiverge.report.verdict import judge
from qdiverge.runs import load_run
from tests.monitor.test_update_cases import said, shown, update, watched


class Scaled(nn.Module):
    def forward(self, x):
        return x / x.abs().max()


def batch_of(num=32):
    s, following = torch.randn(2, num, 4)
    return shown(s, following, torch.rand(num)) | {"actions": torch.randint(3, (num,))}


def run(network, tmp_path, change=lambda batch: batch, num=12, **options):
    """Return a monitor after a few updates, and what it warned of."""
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    options = {"audit_period": None, "foresight": False, "reward_bound": 1.0} | options
    with watched(network, optimizer, tmp_path, **options) as monitor:
        for _ in range(num):
            update(network, optimizer, monitor.batch(change(batch_of())), 0.9)
    return monitor


def test_a_network_that_mixes_samples_is_named_at_its_first_batch(tmp_path):
    network = nn.Sequential(Scaled(), nn.Linear(4, 3))
    with pytest.warns(UserWarning, match="rest of the batch in 0") as told:
        monitor = run(network, tmp_path)
    assert len(told) == 1
    assert said(monitor) == ["samples_mixed"]
    assert monitor.alarms[0].update == 0
    assert "healthy" not in monitor.verdict
    assert judge(load_run(tmp_path / "run")).health == "loop"
    assert "diverge/fraction_holding" not in monitor.latest  # there is no kernel to speak of


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.LogSoftmax(dim=1)])
def test_a_policy_is_no_q_network(last, tmp_path):
    with pytest.warns(UserWarning, match="is it the policy"):
        monitor = run(nn.Sequential(nn.Linear(4, 3), last), tmp_path)
    assert said(monitor) == ["no_q_values"]


def test_rewards_and_flags_that_cannot_be_are_said(tmp_path):
    def change(batch):
        return batch | {"rewards": batch["rewards"] / 0 * 0, "dones": torch.full((32,), 2.0)}

    with (
        pytest.warns(UserWarning, match="A reward is nan"),
        pytest.warns(UserWarning, match="A terminal flag is 2"),
    ):
        monitor = run(nn.Linear(4, 3), tmp_path, change, num=1)
    assert said(monitor)[:2] == ["rewards_not_finite", "flags_out_of_range"]


def test_actions_out_of_range_and_branches_are_named_and_training_goes_on(tmp_path):
    s = torch.randn(2, 8, 4)
    for kind, actions in {"0 … 5": torch.arange(8) % 6, "one-hot": torch.full((8, 2), 2)}.items():
        network = nn.Linear(4, 3)
        optimizer = torch.optim.SGD(network.parameters(), 1e-3)
        with (
            pytest.warns(UserWarning, match=kind),
            attach(network, optimizer=optimizer, out=tmp_path / kind, every=1) as monitor,
        ):
            monitor.batch(shown(s[0], s[1], torch.rand(8)) | {"actions": actions})
            network(s[0]).sum().backward()
            optimizer.step()
        assert "healthy" not in monitor.verdict


def test_float_actions_of_a_q_network_are_read(tmp_path):
    def change(batch):
        return batch | {"actions": batch["actions"]}

    plain = run(nn.Linear(4, 3), tmp_path / "a", change).latest
    assert plain["diverge/q_abs_max"] > 0
    network = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    with watched(network, optimizer, tmp_path / "b", audit_period=None) as monitor:
        batch = batch_of()
        for _ in range(6):
            monitor.batch(batch | {"actions": batch["actions"].float()[:, None]})
            update(network, optimizer, batch, 0.9)
    assert monitor.latest["diverge/q_abs_max"] > 0


def test_an_optimiser_that_was_given_another_network_is_noticed(tmp_path):
    network, other = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    with (
        pytest.warns(UserWarning, match="was the network made anew"),
        watched(network, optimizer, tmp_path, audit_period=None, foresight=False) as monitor,
    ):
        for number in range(30):
            if number == 12:
                optimizer.param_groups[0]["params"] = list(other.parameters())
            update(network if number < 12 else other, optimizer, monitor.batch(batch_of()), 0.9)
    assert said(monitor) == ["network_replaced"]
    assert "healthy" not in monitor.verdict


@pytest.mark.parametrize("is_shown_first", [False, True])
def test_updates_whose_batches_stop_are_noticed(is_shown_first, tmp_path):
    network, batch = nn.Linear(4, 3), batch_of()
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    with (
        pytest.warns(UserWarning, match="no batch was shown"),
        watched(network, optimizer, tmp_path, cost="light", audit_period=None) as monitor,
    ):
        for number in range(1_010):
            if is_shown_first and number == 0:
                monitor.batch(batch)
            update(network, optimizer, batch, 0.9)
    assert said(monitor) == ["updates_without_batches"]
    assert "healthy" not in monitor.verdict
