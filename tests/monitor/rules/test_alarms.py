"""Rules on constructed pasts: each fires where it should, and on nothing that is merely lively."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.agents.networks.categorical_network import CategoricalQ
from qdiverge.monitor import attach
from qdiverge.monitor.rules.capacity import dead_units, end_atoms, rank_collapse
from qdiverge.monitor.rules.linearised import blow_up_forecast, self_excitation
from qdiverge.monitor.rules.past import History, Past, Track
from qdiverge.monitor.rules.thresholds import CapacityThresholds, Thresholds
from tests.monitor.test_monitor import diverge, loss_of, make_network, random_batch, w_to_2w

T = np.arange(40) * 5.0


def past(bound=100.0, learning_rate=0.1, **metrics):
    tracks = {f"diverge/{name}": Track(T[: len(v)], np.asarray(v)) for name, v in metrics.items()}
    return Past(tracks, bound, learning_rate)


ONES = np.ones(40)
GROWING = np.exp(0.02 * T)


def test_self_excitation_fires_where_td_errors_follow_it():
    message = self_excitation(past(self_excitation=0.2 * ONES, td_error_abs_mean=GROWING))
    assert "above zero since update 0 or before" in message
    assert "e^2.0-fold in the last 100 updates" in message  # α · 0.2 · 100 = 2


@pytest.mark.parametrize(
    ("excitation", "td_errors"),
    [
        (0.2 * ONES, ONES),  # a target network holds it: nothing grows
        (0.2 * ONES, 1 / GROWING),  # the run learns
        (-0.2 * ONES, GROWING),  # errors grow for another reason
        (0.01 * ONES, GROWING),  # too weak to have mattered yet
        (0.2 * np.where(np.arange(40) % 4, 1, -1), GROWING),  # not in a row
        (0.2 * ONES[:4], GROWING[:4]),  # too few
        (np.full(40, np.nan), GROWING),
    ],
    ids=["held", "learning", "negative", "weak", "flickering", "few", "nan"],
)
def test_self_excitation_alone_is_no_alarm(excitation, td_errors):
    assert self_excitation(past(self_excitation=excitation, td_error_abs_mean=td_errors)) is None


RADIUS = math.exp(0.02) * ONES


def forecast(radius=RADIUS, error=0.01, td_errors=GROWING, size=5 * GROWING[:20]):
    return blow_up_forecast(
        past(
            spectral_radius=radius[: len(size)], linearisation_error=[error],
            td_error_abs_mean=td_errors[: len(size)], q_abs_max=size,
        )
    )  # fmt: skip


def test_the_forecast_names_its_time_and_how_sure_it_is():
    message = forecast()
    ahead = math.log(100 / (5 * math.exp(0.02 * 95))) / 0.02
    assert f"past 100 in about {ahead:.0f} updates" in message
    assert "a real step departs from it by 0.01" in message
    assert "1 times the predicted rate" in message


@pytest.mark.parametrize(
    "given",
    [
        {"radius": 0.99 * ONES},
        {"error": 0.5},  # the linear theory does not apply
        {"td_errors": ONES},  # and does not come true
        {"td_errors": np.exp(0.1 * T)},  # nor like this
        {"size": 0.001 * GROWING[:20]},  # too far ahead
        {"size": 500 * GROWING[:20]},  # past already: another rule's
        {"size": 5 * GROWING[:2]},  # too early to say
        {"radius": np.inf * ONES},
        {"td_errors": 0 * ONES},
    ],
    ids=["stable", "nonlinear", "still", "faster", "far", "past", "early", "infinite", "zero"],
)
def test_the_forecast_is_silent_otherwise(given):
    assert forecast(**given) is None


def test_dead_units_and_collapse_need_three_in_a_row():
    assert dead_units(past(dead_units=[0.5, 0.95, 0.95, 0.95])).startswith("95 % of the hidden")
    assert "since update 5" in dead_units(past(dead_units=[0.5, 0.95, 0.95, 0.95]))
    assert dead_units(past(dead_units=[0.95, 0.5, 0.95, 0.95])) is None
    assert dead_units(past(dead_units=[0.6] * 10)) is None
    assert "from 30 directions to 1 since update 10" in rank_collapse(past(srank=[30, 9, 1, 1, 1]))
    assert rank_collapse(past(srank=[30, 9, 1, 1])) is None
    assert rank_collapse(past(srank=[2.0] * 10)) is None  # a small network, from the start
    assert rank_collapse(past(srank=[np.nan] * 3)) is None


def test_mass_at_an_end_of_the_support_needs_half_of_it_three_times_in_a_row():
    low, full = [0.1] * 4, [0.1, 0.6, 0.7, 0.8]
    told = end_atoms(past(low_atom_mass=low, high_atom_mass=full))
    assert told.startswith("The largest return of the support holds 80 %")
    assert "since update 5 (10 % at update 0)" in told
    told = end_atoms(past(low_atom_mass=full, high_atom_mass=low))
    assert told.startswith("The least return")
    assert "(v_min)" in told
    assert end_atoms(past(low_atom_mass=low, high_atom_mass=[0.6, 0.4, 0.6, 0.6])) is None
    assert end_atoms(past(low_atom_mass=[0.4] * 9, high_atom_mass=[0.49] * 9)) is None
    assert end_atoms(past(q_abs_max=[1.0] * 4)) is None  # no distribution
    later = Thresholds(capacity=CapacityThresholds(end_atom_mass=0.9))
    assert end_atoms(past(low_atom_mass=low, high_atom_mass=full), later) is None


@pytest.mark.parametrize(("reward", "is_beyond"), [(1.0, True), (0.0, False)])
def test_returns_beyond_the_support_gather_at_its_end_and_the_run_goes_on(
    tmp_path, reward, is_beyond
):
    """C51 on atoms −1, 0, 1 with γ = .9: a reward of 1 for ever is worth 10, of 0 is worth 0."""
    torch.manual_seed(0)
    network = CategoricalQ(nn.Linear(4, 9), value_min=-1.0, value_max=1.0, num_atoms=3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    options = {"every": 5, "max_overhead": None, "on_alarm": "stop", "discount": 0.9}
    s, a, r = torch.rand(32, 4), torch.zeros(32).long(), torch.full((32,), reward)
    batch = {"obs": s, "actions": a, "rewards": r, "next_obs": 0.5 * s, "dones": torch.zeros(32)}
    # where −1, 0 and 1 go: to .1, 1 and 1, or to −.9, 0 and .9
    project = torch.tensor(
        [[0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]] if is_beyond
        else [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.1, 0.9]]
    )  # fmt: skip
    with attach(
        network, optimizer=optimizer, out=tmp_path / "run", not_modelled="C51", **options
    ) as monitor:
        for _ in range(100):
            monitor.batch(batch)
            with torch.no_grad():
                greedy = network(batch["next_obs"]).argmax(1)
                p = network.logits(batch["next_obs"]).softmax(2)[torch.arange(32), greedy]
            optimizer.zero_grad()
            nn.functional.cross_entropy(network.logits(s)[:, 0], p @ project).backward()
            optimizer.step()
    rules = {alarm.rule: alarm.kind for alarm in monitor.alarms}
    assert ("end_atoms" in rules) == is_beyond
    assert rules.get("end_atoms", "condition") == "condition"
    assert monitor.num_updates == 100


def test_the_past_is_bounded_and_in_order():
    history = History({"diverge/a", "diverge/b"}, length=100)
    for update in range(10_000):
        history.add(update, {"diverge/a": update} | ({"diverge/b": 1.0} if update % 7 == 0 else {}))
    tracks = history.tracks()
    assert tracks["diverge/a"].updates.tolist() == list(range(9_900, 10_000))
    assert len(tracks["diverge/b"]) == 100
    assert (np.diff(tracks["diverge/b"].updates) == 7).all()


def test_on_a_run_that_diverges_theory_and_measurement_alarm_before_the_bound(tmp_path):
    monitor, network, optimizer = w_to_2w(tmp_path, cost="full")
    with monitor:
        diverge(monitor, network, optimizer)
    first = {alarm.rule: alarm for alarm in monitor.alarms}
    assert first["blow_up_forecast"].update < first["runaway_growth"].update
    assert first["self_excitation"].update < first["soft_divergence"].update
    # w grows by 1 + α(2γ − 1) an update: when max|Q| = w·1 passes 100 · 5/4 is known
    weight, passed = 0.5, 0
    while weight <= 125:
        weight, passed = weight * (1 + 0.02 * 0.98), passed + 1
    promised = first["blow_up_forecast"].message.split("about ")[1].split(" updates")[0]
    assert first["blow_up_forecast"].update + int(promised) == pytest.approx(passed, abs=2)


def test_a_network_that_dies_is_told_and_does_not_stop_the_run(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    options = {"every": 2, "max_overhead": None, "on_alarm": "stop", "discount": 0.9}
    with attach(network, optimizer=optimizer, out=tmp_path / "run", **options) as monitor:
        for count in range(20):
            if count == 6:
                with torch.no_grad():
                    network[0].bias.fill_(-100.0)
            data = monitor.batch(random_batch())
            optimizer.zero_grad()
            loss_of(network, data, 0.9).backward()
            optimizer.step()
    messages = {alarm.rule: alarm.message for alarm in monitor.alarms}
    assert messages.keys() == {"dead_units", "rank_collapse"}
    assert "100 % of the hidden units" in messages["dead_units"]
    assert monitor.num_updates == 20


def test_an_ordinary_run_raises_no_alarm(tmp_path):
    torch.manual_seed(0)
    network = make_network()
    target = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    options = {"every": 5, "cost": "full", "max_overhead": None, "discount": 0.9}
    with attach(
        network, target=target, optimizer=optimizer, out=tmp_path / "run", **options
    ) as monitor:
        for count in range(400):
            if count % 50 == 0:
                target.load_state_dict(network.state_dict())
            data = monitor.batch(random_batch())
            optimizer.zero_grad()
            loss_of(network, data, 0.9, target).backward()
            optimizer.step()
    assert monitor.alarms == []
