"""A snapshot holds what an update needs: made again from it, the update is the same to the bit."""

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.errors import CheckpointError, DivergenceError
from qdiverge.monitor import attach
from tests.monitor.test_monitor import (
    OPTIMIZERS,
    diverge,
    loss_of,
    near_zero,
    random_batch,
    w_to_2w,
)


def make_network():
    """Random numbers in the forward pass, and a buffer that it changes."""
    network = nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)
    )
    return near_zero(network)


def train_into_an_alarm(out, optimizer_name="adam"):
    """Train until values that begin near 0 pass the bound of rewards that are told too small."""
    torch.manual_seed(1)
    network, target = make_network(), make_network()
    optimizer = OPTIMIZERS[optimizer_name](network.parameters())
    monitor = attach(
        network, target=target, optimizer=optimizer, discount=0.5, out=out, every=5,
        on_alarm="snapshot", reward_bound=0.005, max_overhead=None,
    )  # fmt: skip
    with monitor:
        for _ in range(25):
            data = {**vars(random_batch()), "weights": torch.rand(16)}
            update(network, target, optimizer, monitor.batch(data))
    return network, target, optimizer, monitor


def update(network, target, optimizer, data):
    batch = qd.Transitions(**{name: data[name] for name in qd.Transitions.__dataclass_fields__})
    optimizer.zero_grad()
    (data["weights"].mean() * loss_of(network, batch, target=target)).backward()
    nn.utils.clip_grad_norm_(network.parameters(), 0.5)
    optimizer.step()


@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
def test_the_update_made_again_is_the_same_to_the_bit(tmp_path, optimizer_name):
    _, _, _, monitor = train_into_an_alarm(tmp_path / "run", optimizer_name)
    alarm = monitor.alarms[0]
    snapshot = qd.load_snapshot(tmp_path / "run" / "snapshots" / str(alarm.update + 1))
    assert snapshot.alarms[0].rule == alarm.rule == "soft_divergence"
    network, target = make_network(), make_network()
    optimizer = OPTIMIZERS[optimizer_name](network.parameters())
    snapshot.restore(network, target=target, optimizer=optimizer)
    update(network, target, optimizer, snapshot.data)
    for name, tensor in network.state_dict().items():  # BatchNorm's statistics among them
        assert torch.equal(tensor, snapshot.tensors["after"][f"0.{name}"]), name


def test_keeping_updates_changes_nothing_and_leaves_no_hook(tmp_path):
    kept, _, optimizer, _ = train_into_an_alarm(tmp_path / "a")
    torch.manual_seed(1)
    network, target = make_network(), make_network()
    plain = OPTIMIZERS["adam"](network.parameters())
    for _ in range(25):
        data = {**vars(random_batch()), "weights": torch.rand(16)}
        update(network, target, plain, data)
    for name, tensor in kept.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_a_snapshot_is_diagnosed_as_its_moment_was(tmp_path):
    train_into_an_alarm(tmp_path / "run")
    snapshot = qd.load_snapshot(next((tmp_path / "run" / "snapshots").iterdir()))
    network, target = make_network(), make_network()
    optimizer = OPTIMIZERS["adam"](network.parameters())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    got = snapshot.diagnose(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    snapshot.restore(network, target=target, optimizer=optimizer)
    expected = qd.diagnose(
        network, snapshot.batch, 0.5, 0.01, target=target, optimizer=optimizer, loss="huber",
        reward_bound=0.005,
    )  # fmt: skip
    assert str(got) == str(expected)


def test_after_nan_the_last_sound_update_is_there(tmp_path):
    monitor, network, optimizer = w_to_2w(tmp_path, on_alarm="snapshot")
    with monitor:
        diverge(monitor, network, optimizer, num_updates=12)
        with torch.no_grad():
            network.weight.fill_(float("nan"))
        diverge(monitor, network, optimizer, num_updates=10)
    (folder,) = (tmp_path / "run" / "snapshots").iterdir()
    snapshot = qd.load_snapshot(folder)
    assert snapshot.update == 11  # the one after the measurement at update 10
    assert snapshot.tensors["networks"]["0.weight"].isfinite().all()
    assert snapshot.diagnose(nn.Linear(1, 1, bias=False)).stability.verdict == "divergent"


def test_a_damaged_snapshot_and_another_network_are_refused(tmp_path):
    train_into_an_alarm(tmp_path / "run")
    folder = next((tmp_path / "run" / "snapshots").iterdir())
    with pytest.raises(CheckpointError, match="recorded shapes"):
        qd.load_snapshot(folder).diagnose(nn.Linear(4, 3))
    with pytest.raises(CheckpointError, match=folder.name):
        qd.load_snapshot(folder.parent)
    data = bytearray((folder / "batch.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "batch.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"batch\.safetensors"):
        qd.load_snapshot(folder)


def test_a_snapshot_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "snapshots").write_text("in the way")
    with pytest.warns(UserWarning, match="could not be written"):
        network, *_ = train_into_an_alarm(tmp_path / "run")
    assert all(parameter.isfinite().all() for parameter in network.parameters())


def test_a_run_that_stops_at_its_alarm_leaves_the_update_that_was_not_made(tmp_path):
    monitor, network, optimizer = w_to_2w(tmp_path, on_alarm=("snapshot", "stop"))
    with pytest.raises(DivergenceError), monitor:
        diverge(monitor, network, optimizer)
    update = monitor.alarms[-1].update + 1
    snapshot = qd.load_snapshot(tmp_path / "run" / "snapshots" / str(update))
    assert torch.equal(snapshot.tensors["networks"]["0.weight"], network.weight)
    assert snapshot.diagnose(network).stability.verdict == "divergent"
