"""The monitor sees the run, and the run does not see the monitor."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.diagnostics import Transitions
from qdiverge.errors import DivergenceError, InvalidTypeError, InvalidValueError, RunFolderError
from qdiverge.monitor import attach, dump_state, load_state
from qdiverge.runs import load_run

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.5),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.01),
}


def make_network():
    """A network that would notice a forward pass that is not its own."""
    return nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)
    )


def random_batch(size=16):
    """Transitions drawn from the global generator, as most replay buffers draw them."""
    return Transitions(
        observations=torch.randn(size, 4),
        actions=torch.randint(3, (size,)),
        rewards=torch.randn(size).clamp(-1, 1),
        next_observations=torch.randn(size, 4),
        terminated=torch.rand(size) < 0.1,
    )


def near_zero(network):
    """Return a network whose values begin within every bound, even of rewards told too small."""
    with torch.no_grad():
        for parameter in network[-1].parameters():
            parameter.mul_(1e-3)
    return network


def loss_of(network, batch, discount=0.9, target=None):
    with torch.no_grad():
        bootstrap = (target or network)(batch.next_observations).amax(1)
        goal = batch.rewards + discount * (~batch.terminated) * bootstrap
    q = network(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
    return nn.functional.smooth_l1_loss(q, goal)


def train(optimizer_name, out=None, num_updates=25, **options):
    """Train from a fixed seed; return the final weights, the random state and the monitor."""
    torch.manual_seed(1)
    network = make_network()
    optimizer = OPTIMIZERS[optimizer_name](network.parameters())
    monitor = None
    if out is not None:
        monitor = attach(network, optimizer=optimizer, discount=0.9, out=out, every=5, **options)
    for _ in range(num_updates):
        batch = random_batch()
        if monitor is not None:
            assert monitor.batch(batch) is batch
        optimizer.zero_grad()
        loss_of(network, batch).backward()
        optimizer.step()
    if monitor is not None:
        monitor.close()
    return [*network.state_dict().values(), torch.get_rng_state()], monitor


@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
@pytest.mark.parametrize("cost", ["light", "standard", "full"])
def test_the_run_is_bit_identical_with_and_without(tmp_path, optimizer_name, cost):
    plain, _ = train(optimizer_name)
    watched, monitor = train(
        optimizer_name, tmp_path / "run", cost=cost, max_overhead=None, probe_refresh_period=10
    )
    assert len(load_run(tmp_path / "run").series["diverge/q_max"].steps) >= 5
    assert monitor.num_updates == 25
    for got, expected in zip(watched, plain, strict=True):
        assert torch.equal(got, expected)


def test_what_is_measured_lies_in_the_run_folder(tmp_path):
    train("adam", tmp_path / "run", max_overhead=None)
    run = load_run(tmp_path / "run")
    assert run.info["status"] == "finished"
    assert run.info["step_unit"] == "updates"
    assert run.series["diverge/fraction_holding"].steps.tolist()[:2] == [5, 10]
    step, arrays = run.arrays("kernel")[0]
    assert step == 5
    N = len(arrays["actions"])
    assert arrays["kernel"].shape == (N, N)
    assert (arrays["eigenvalues"][:-1] >= arrays["eigenvalues"][1:]).all()


def test_numbers_of_the_runs_own_are_logged_at_its_step(tmp_path):
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters())
    with attach(network, optimizer=optimizer, out=tmp_path / "run", clock=lambda: 7) as monitor:
        batch = monitor.batch(random_batch())
        monitor.log({"charts/episodic_return": 21.0})
        loss_of(network, batch).backward()
        optimizer.step()
        with pytest.warns(UserWarning, match="numbers of the run's own failed"):
            monitor.log({"charts/episodic_return": "much"})  # type: ignore[dict-item]  # wrong
    monitor.log({"charts/episodic_return": 22.0})  # after the end: nothing
    series = load_run(tmp_path / "run").series["charts/episodic_return"]
    assert (series.steps.tolist(), series.values.tolist()) == ([7], [21.0])


def count_hooks(optimizer):
    return len(optimizer._optimizer_step_post_hooks)


def test_hooks_are_gone_after_close_and_after_an_exception(tmp_path):
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters())
    with attach(network, optimizer=optimizer, out=tmp_path / "a"):
        assert count_hooks(optimizer) == 1
    assert count_hooks(optimizer) == 0
    with (
        pytest.raises(ZeroDivisionError),
        attach(network, optimizer=optimizer, out=tmp_path / "b") as monitor,
    ):
        monitor.batch(random_batch())
        1 / 0  # noqa: B018
    assert count_hooks(optimizer) == 0
    assert load_run(tmp_path / "b").info["status"] == "interrupted"
    monitor.close()  # a second close changes nothing


def test_a_closed_monitor_lets_the_network_go(tmp_path):
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters())
    attach(network, optimizer=optimizer, out=tmp_path / "run").close()
    gone = weakref.ref(network)
    del network, optimizer
    gc.collect()
    assert gone() is None


def diverge(monitor, network, optimizer, num_updates=400):
    """w → 2w with γ = .99: the one weight grows by 1 + α(2γ − 1) at each update."""
    batch = Transitions(
        observations=torch.ones(8, 1),
        actions=torch.zeros(8, dtype=torch.int64),
        rewards=torch.zeros(8),
        next_observations=2 * torch.ones(8, 1),
        terminated=torch.zeros(8),
    )
    for _ in range(num_updates):
        monitor.batch(batch)
        with torch.no_grad():
            goal = 0.99 * network(batch.next_observations).amax(1)
        loss = 0.5 * (network(batch.observations).squeeze(1) - goal).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def w_to_2w(tmp_path, **options):
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.5)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
    options = {"every": 5, "loss": "half_squared", "max_overhead": None} | options
    monitor = attach(network, optimizer=optimizer, discount=0.99, out=tmp_path / "run", **options)
    return monitor, network, optimizer


def test_the_alarm_comes_before_the_values_blow_up(tmp_path):
    seen = []
    monitor, network, optimizer = w_to_2w(tmp_path, on_alarm=seen.append)
    with monitor:
        diverge(monitor, network, optimizer)
    run = load_run(tmp_path / "run")
    first = {alarm.rule: alarm.update for alarm in run.alarms}
    assert [event.rule for event in seen] == [alarm.rule for alarm in run.alarms]
    assert first["runaway_growth"] < first["soft_divergence"]
    magnitudes = run.series["diverge/q_abs_max"]
    passed = magnitudes.steps[magnitudes.values > 125][0]  # the bound of 100, and a quarter
    assert first["soft_divergence"] == passed
    assert first["runaway_growth"] <= 0.9 * passed
    growth = run.series["diverge/q_growth_rate"].values[20]
    assert growth == pytest.approx(torch.tensor(1 + 0.02 * (2 * 0.99 - 1)).log().item(), rel=1e-3)


def test_stop_ends_the_run_at_the_next_batch(tmp_path):
    monitor, network, optimizer = w_to_2w(tmp_path, on_alarm="stop", foresight=False)
    with pytest.raises(DivergenceError, match="runaway_growth at update"), monitor:
        diverge(monitor, network, optimizer)
    assert monitor.num_updates < 400
    assert network.weight.item() < 100


def test_nan_raises_the_alarm_and_spares_the_kernel(tmp_path):
    monitor, network, optimizer = w_to_2w(tmp_path)
    with monitor:
        diverge(monitor, network, optimizer, num_updates=5)
        with torch.no_grad():
            network.weight.fill_(float("nan"))
        diverge(monitor, network, optimizer, num_updates=20)
    run = load_run(tmp_path / "run")
    assert [alarm.rule for alarm in run.alarms if alarm.kind == "divergence"] == ["not_finite"]
    assert len(run.series["diverge/fraction_holding"].values) < len(
        run.series["diverge/q_abs_max"].values
    )


def test_an_error_while_measuring_is_a_warning_and_training_goes_on(tmp_path):
    class Fragile(nn.Linear):
        def forward(self, x):
            if not torch.is_grad_enabled() and self.training is False:
                raise RuntimeError("no evaluation mode here")
            return super().forward(x)

    network = Fragile(4, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with (
        pytest.warns(UserWarning, match="switched off; training goes on"),
        attach(
            network, optimizer=optimizer, discount=0.9, out=tmp_path / "run", every=2
        ) as monitor,
    ):
        for _ in range(6):
            batch = monitor.batch(random_batch())
            optimizer.zero_grad()
            loss_of(network, batch).backward()
            optimizer.step()
    assert monitor.num_updates == 6
    assert "no evaluation mode" in load_run(tmp_path / "run").info["monitor_failures"]["QValues"]


def test_a_loop_that_never_shows_a_batch_is_told_so_once(tmp_path):
    network = make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with (
        attach(network, optimizer=optimizer, out=tmp_path / "run", every=1),
        pytest.warns(UserWarning, match=r"data = monitor\.batch\(data\)") as caught,
    ):
        for _ in range(30):
            loss_of(network, random_batch()).backward()
            optimizer.step()
    assert len(caught) == 1


def test_a_batch_that_cannot_be_read_is_a_warning(tmp_path):
    network = make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    monitor = attach(network, optimizer=optimizer, out=tmp_path / "run")
    with pytest.warns(UserWarning, match="reading the batch"):
        assert monitor.batch(data := {"pixels": 1}) is data
    monitor.close()


def test_bad_options_are_refused_before_anything_is_written(tmp_path):
    network, other = make_network(), make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    refused = [
        (InvalidValueError, {"discount": 1.5}),
        (InvalidValueError, {"cost": "cheap"}),
        (InvalidValueError, {"on_alarm": "shout"}),
        (InvalidValueError, {"loss": "hinge"}),
        (InvalidValueError, {"every": 0}),
        (InvalidValueError, {"max_overhead": -1.0}),
        (InvalidValueError, {"reward_bound": -1.0}),
    ]
    for error, options in refused:
        with pytest.raises(error):
            attach(network, optimizer=optimizer, out=tmp_path / "run", **options)
    with pytest.raises(InvalidValueError, match="not the target"):
        attach(other, optimizer=optimizer, out=tmp_path / "run")
    with pytest.raises(InvalidTypeError):
        attach(lambda x: x, optimizer=optimizer, out=tmp_path / "run")
    assert count_hooks(optimizer) == 0
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_refused(tmp_path):
    train("sgd", tmp_path / "run", num_updates=1)
    with pytest.raises(RunFolderError, match="holds one"):
        train("sgd", tmp_path / "run", num_updates=1)


def test_a_monitor_that_takes_over_measures_what_the_first_would_have(tmp_path):
    def run(out, hand_over_at=None):
        torch.manual_seed(1)
        network = near_zero(make_network())
        optimizer = OPTIMIZERS["sgd"](network.parameters())
        options = {"every": 4, "cost": "full", "max_overhead": None, "discount": 0.9}
        options |= {"probe_size": 40, "probe_refresh_period": 30, "reward_bound": 0.005}
        options |= {"foresight": False}  # it collects its batches anew
        monitor = attach(network, optimizer=optimizer, out=out, **options)
        for update in range(80):
            if update == hand_over_at:
                files = dump_state(monitor.state())
                monitor.close("interrupted")
                out = out.with_name(out.name + "-on")
                monitor = attach(network, optimizer=optimizer, out=out, **options)
                monitor.restore(load_state(files))
            batch = monitor.batch(random_batch())
            optimizer.zero_grad()
            loss_of(network, batch).backward()
            optimizer.step()
        monitor.close()
        return load_run(out), monitor

    whole, expected = run(tmp_path / "whole")
    assert expected.alarms
    for update in (1, 29, 62):  # the probe fills, the next one fills, all is there
        on, monitor = run(tmp_path / f"at-{update}", update)
        assert monitor.alarms == expected.alarms
        assert on.series.keys() == whole.series.keys()
        for key, series in on.series.items():
            count = len(series.steps)
            assert np.array_equal(series.steps, whole.series[key].steps[-count:])
            assert np.array_equal(series.values, whole.series[key].values[-count:], equal_nan=True)
