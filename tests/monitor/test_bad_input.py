"""What people get wrong, and what goes wrong under them: it is said, and training goes on."""

import copy
import resource
import shutil
from collections import namedtuple
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from qdiverge.errors import InvalidTypeError, InvalidValueError, RunFolderError
from qdiverge.monitor import attach
from qdiverge.runs import RunLog, load_run
from tests.monitor.test_monitor import loss_of, make_network, random_batch
from tests.monitor.test_unchanged import Critic


def sgd(network):
    return torch.optim.SGD(network.parameters(), lr=0.01)


def steps(monitor, network, optimizer, count, show=True):
    for _ in range(count):
        data = random_batch()
        if show:
            monitor.batch(data)
        optimizer.zero_grad()
        loss_of(network, data).backward()
        optimizer.step()


def test_a_target_that_is_no_copy_is_refused(tmp_path):
    network = make_network()
    optimizer, out = sgd(network), tmp_path / "run"
    with pytest.raises(InvalidValueError, match="not the target"):  # the two exchanged
        attach(copy.deepcopy(network), target=network, optimizer=optimizer, out=out)
    shared = nn.Sequential(*network)  # another module, the same parameters
    with pytest.raises(InvalidValueError, match="parameters of its own"):
        attach(network, target=shared, optimizer=optimizer, out=out)
    with pytest.raises(InvalidValueError, match="shapes of q_network"):
        attach(network, target=nn.Linear(4, 3), optimizer=optimizer, out=out)
    with pytest.raises(InvalidTypeError, match=r"torch\.nn\.Module"):
        attach(network, target=abs, optimizer=optimizer, out=out)
    assert not out.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when it compiles
def test_a_second_monitor_is_refused_and_names_the_first(tmp_path):
    network = make_network()
    optimizer = sgd(network)
    with attach(network, optimizer=optimizer, out=tmp_path / "first"):
        with pytest.raises(InvalidValueError, match="first"):
            attach(network, optimizer=optimizer, out=tmp_path / "second")
        with pytest.raises(InvalidValueError, match="first"):  # compiled, it is the same network
            attach(torch.compile(network), optimizer=optimizer, out=tmp_path / "second")
        assert not (tmp_path / "second").exists()
    attach(network, optimizer=optimizer, out=tmp_path / "second").close()


NStep = namedtuple("NStep", ["obs", "act", "rew", "obs_next", "done", "discounts"])


def test_another_discount_in_the_settings_or_the_batch_is_said(tmp_path):
    network = make_network()
    optimizer = sgd(network)
    with pytest.warns(UserWarning, match="settings say 0.9"):
        attach(
            network, optimizer=optimizer, discount=0.99, out=tmp_path / "a", config={"gamma": 0.9}
        ).close()
    log = RunLog(tmp_path / "b", {"discount": 0.9, "n_step": 3})
    attach(network, optimizer=optimizer, discount=0.729, out=log).close()  # 0.9³: no warning
    log.close()
    fields = [*vars(random_batch()).values(), torch.full((16, 1), 0.729)]
    with attach(network, optimizer=optimizer, discount=0.9, out=tmp_path / "c") as monitor:
        with pytest.warns(UserWarning, match="the batch says 0.729"):
            monitor.batch(NStep(*fields))
        assert len(monitor.moment().batch) == 16  # it is measured all the same


def test_updates_that_never_come_are_said(tmp_path):
    network, other = make_network(), make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    monitor = attach(network, optimizer=optimizer, out=tmp_path / "run", every=2)
    with pytest.warns(UserWarning, match=r"20 batches came since update 0 and .* no step: pass"):
        steps(monitor, other, sgd(other), 25)
    monitor.close()  # said once
    assert [alarm.rule for alarm in monitor.alarms] == ["batches_without_updates"]
    assert "healthy" not in monitor.verdict


def test_another_optimiser_of_the_network_is_watched_in_its_place(tmp_path):
    network, other = make_network(), make_network()
    both = torch.optim.SGD([*network.parameters(), *other.parameters()], lr=0.01)
    only = sgd(network)
    with attach(network, optimizer=only, out=tmp_path / "run", every=2) as monitor:
        with pytest.warns(UserWarning, match="Another SGD trains the network since update 0"):
            steps(monitor, network, both, 25)
        assert monitor.num_updates == 21


def test_a_loop_too_short_for_the_reminder_hears_it_at_the_end(tmp_path):
    network = make_network()
    optimizer = sgd(network)
    monitor = attach(network, optimizer=optimizer, out=tmp_path / "run")
    steps(monitor, network, optimizer, 3, show=False)
    with pytest.warns(UserWarning, match=r"3 updates came and no batch"):
        monitor.close()


@contextmanager
def full_disk(size):
    """No file may grow beyond ``size`` bytes: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_warning_and_no_torn_line(tmp_path):
    network = make_network()
    optimizer = sgd(network)
    monitor = attach(network, optimizer=optimizer, out=tmp_path / "run", every=1, max_overhead=None)
    with pytest.warns(UserWarning, match="training goes on") as caught, full_disk(4000):
        steps(monitor, network, optimizer, 20)
    assert len(caught) == 1
    lost_from = len(load_run(tmp_path / "run").series["diverge/q_max"].steps)
    assert lost_from < 20
    steps(monitor, network, optimizer, 5)  # there is room again
    monitor.close()
    run = load_run(tmp_path / "run")  # every line is whole, and none is lost
    assert run.series["diverge/q_max"].steps.tolist() == [*range(1, 26), 25]
    assert run.info["lost_writes"] >= 1  # arrays
    assert run.info["status"] == "finished"
    assert monitor.num_updates == 25
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_a_folder_that_vanishes_is_one_warning(tmp_path):
    network = make_network()
    optimizer = sgd(network)
    monitor = attach(network, optimizer=optimizer, out=tmp_path / "run", every=1, max_overhead=None)
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(UserWarning, match="No such file") as caught:
        steps(monitor, network, optimizer, 5)
        monitor.close()
    assert len(caught) == 1


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    network = make_network()
    with pytest.raises(RunFolderError, match="can be written"):
        attach(network, optimizer=sgd(network), out=tmp_path / "file" / "run")
    attach(network, optimizer=sgd(network), out=tmp_path / "run").close()  # nothing was left behind


def test_critics_without_a_policy_say_what_is_off(tmp_path):
    critics = [Critic(), Critic()]
    optimizer = torch.optim.SGD([p for c in critics for p in c.parameters()], lr=0.01)
    data = {**vars(random_batch()), "actions": torch.rand(16, 2)}
    with attach(critics, optimizer=optimizer, out=tmp_path / "run", every=1) as monitor:
        monitor.batch(data)
        critics[0](data["observations"], data["actions"]).sum().backward()
        optimizer.step()
    run = load_run(tmp_path / "run")
    assert "policy=" in run.info["diagnostics_off"]["TDErrors"]
    assert "diverge/q_abs_max" in run.series
    assert "diverge/fraction_holding" in run.series


def test_several_networks_with_integer_actions_are_a_warning(tmp_path):
    networks = [make_network(), make_network()]
    optimizer = torch.optim.SGD([p for n in networks for p in n.parameters()], lr=0.01)
    monitor = attach(networks, optimizer=optimizer, out=tmp_path / "run")
    with pytest.warns(UserWarning, match="several networks are critics"):
        monitor.batch(random_batch())
    monitor.close()
