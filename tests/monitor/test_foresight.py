"""Copies that run ahead of a watched run: what they call, when, and that they change nothing."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import qdiverge as qd
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.errors import DivergenceError, InvalidValueError
from qdiverge.monitor.foresight import at_hand
from qdiverge.monitor.foresight.asked_again import AskedAgain
from qdiverge.monitor.foresight.measured_rates import measured
from qdiverge.monitor.foresight.outlook import Forecast
from qdiverge.monitor.foresight.staging import stages
from qdiverge.rehearsal.batches import as_batches
from qdiverge.runs import load_run
from qdiverge.update.auditing.findings import finding


def w_to_2w(rows=4):
    """s = 1 leads to s' = 2 without a reward: w grows by 1 + α(2γ − 1) in an update."""
    s = torch.ones(rows, 1)
    return qd.Transitions(s, torch.zeros(rows).long(), torch.zeros(rows), 2 * s, torch.zeros(rows))


def ends(rows=4):
    """Every transition ends with 1: regression."""
    s = torch.ones(rows, 1)
    return qd.Transitions(s, torch.zeros(rows).long(), torch.ones(rows), s, torch.ones(rows))


def linear(lr):
    q = nn.Linear(1, 1, bias=False)
    nn.init.ones_(q.weight)
    return q, torch.optim.SGD(q.parameters(), lr=lr)


def step(q, optimizer, batch, γ=0.9):
    with torch.no_grad():
        y = batch.rewards + γ * (1 - batch.terminated) * q(batch.next_observations).amax(1)
    optimizer.zero_grad()
    (functional.mse_loss(q(batch.observations)[:, 0], y) / 2).backward()
    optimizer.step()


def watch(path, q, optimizer, **options):
    given = {"discount": 0.9, "loss": "half_squared", "reward_bound": 1.0, "max_overhead": None}
    return qd.attach(q, optimizer=optimizer, out=path, **given | options)


def train(monitor, q, optimizer, batch, updates):
    for _ in range(updates):
        monitor.batch(batch)
        step(q, optimizer, batch)
    return monitor


def foreseen(monitor):
    return [alarm for alarm in monitor.alarms if alarm.rule == "foreseen_divergence"]


def test_divergence_is_called_before_it_starts_with_the_time_and_what_helps(tmp_path):
    q, sgd = linear(0.1)  # 1.08^k > 10 · 5/4 at k = 33
    with watch(tmp_path / "run", q, sgd) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    (alarm,) = foreseen(monitor)
    assert (alarm.update, alarm.kind) == (8, "divergence")
    assert alarm.evidence["first"] == alarm.evidence["last"] == 33
    assert alarm.evidence["diverging"] == alarm.evidence["copies"] == 6
    assert "at about update 33" in alarm.message
    ((_, fan),) = load_run(tmp_path / "run").arrays("foresight")
    assert fan["updates"].tolist()[:2] == [1, 3]
    assert fan["median"][0] == pytest.approx(1.08**9, rel=1e-5)
    assert load_run(tmp_path / "run").info["foresight"]["num"] == 1


def test_the_remedy_that_it_names_holds_in_the_real_run(tmp_path):
    q, sgd = linear(0.1)
    with watch(tmp_path / "run", q, sgd) as monitor:
        train(monitor, q, sgd, w_to_2w(), 9)
    evidence = foreseen(monitor)[0].evidence
    assert evidence["remedy"] == "target copied every 100 updates"
    target = copy.deepcopy(q)
    for update in range(1, 100):
        batch = w_to_2w()
        y = batch.rewards + 0.9 * target(batch.next_observations).amax(1).detach()
        sgd.zero_grad()
        (functional.mse_loss(q(batch.observations)[:, 0], y) / 2).backward()
        sgd.step()
        if update % evidence["target_period"] == 0:
            target.load_state_dict(q.state_dict())
    assert abs(q.weight.item()) < 5


def test_a_sound_run_is_left_alone_to_the_bit(tmp_path):
    bits = []
    for foresight in (False, True):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        q = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
        adam = torch.optim.Adam(q.parameters(), lr=1e-2)
        with watch(tmp_path / f"{foresight}", q, adam, foresight=foresight) as monitor:
            train(monitor, q, adam, ends(), 60)
        bits.append([p.detach().clone() for p in q.parameters()] + [torch.get_rng_state()])
    assert not monitor.alarms
    assert monitor.foresight.num_forecasts == 2  # at 8 and 32
    assert all(map(torch.equal, *bits))


def test_a_replay_is_drawn_from_before_the_first_update_and_its_generator_stays(tmp_path):
    rows, noted = w_to_2w(64), []

    class Drawn:  # which is not looked into, and so not put back
        rows = frozenset()

    def draw():
        index = np.random.randint(64, size=4)  # noqa: NPY002
        Drawn.rows |= {tuple(index)}
        noted.append(index)
        return {name: value[index] for name, value in vars(rows).items()}

    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    q, sgd = linear(0.1)
    with watch(tmp_path / "run", q, sgd, foresight={"data": draw, "num_updates": 50}) as monitor:
        monitor.batch(w_to_2w())
        assert monitor.foresight.latest.times == [33, 33]
        assert monitor.foresight.latest.again == 17
        assert not foreseen(monitor)  # copies of a replay are asked again halfway
        step(q, sgd, w_to_2w())
        train(monitor, q, sgd, w_to_2w(), 17)
        assert [alarm.update for alarm in foreseen(monitor)] == [17]
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert not noted
    assert len(Drawn.rows) > 10  # and not one batch again and again


def test_slow_divergence_on_fixed_data_is_called_by_fast_copies(tmp_path):
    q, sgd = linear(0.000625)  # 1.0005^k > 10 · 5/4 at k = 5053
    known = {"data": w_to_2w(), "num_updates": 10_000}
    with watch(tmp_path / "run", q, sgd, foresight=known) as monitor:
        monitor.batch(w_to_2w())
    (alarm,) = foreseen(monitor)
    assert alarm.evidence["speed"] == 16
    assert alarm.evidence["when"] == pytest.approx(5053, rel=0.02)
    assert monitor.foresight.latest.num_copied < 6 * 10_000 / 8


def test_stop_ends_the_run_at_a_call(tmp_path):
    q, sgd = linear(0.1)
    monitor = watch(tmp_path / "run", q, sgd, on_alarm="stop")
    with pytest.raises(DivergenceError, match="foreseen_divergence at update 8"):
        train(monitor, q, sgd, w_to_2w(), 20)
    monitor.close("alarm")
    assert q.weight.item() < 10


def test_values_that_grow_are_looked_at_again_between_two_dates(tmp_path):
    q, sgd = linear(0.0001)
    with watch(tmp_path / "run", q, sgd, every=1) as monitor:
        train(monitor, q, sgd, w_to_2w(), 40)
        assert monitor.foresight.num_forecasts == 2  # at 8 and 32
        sgd.param_groups[0]["lr"] = 0.05  # w doubles within 18 updates: at 58, and batches to 74
        train(monitor, q, sgd, w_to_2w(), 36)
    (alarm,) = foreseen(monitor)
    assert 58 < alarm.update < 76


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"foresight": False}, "not asked for"),
        ({"loss": 2.5}, "known by its step alone"),
        ({"not_modelled": "Q lies inside C51's support"}, "C51"),
    ],
)
def test_what_no_copy_can_be_faithful_to_is_refused_by_name(tmp_path, options, reason):
    q, sgd = linear(0.1)
    with watch(tmp_path / "run", q, sgd, **options) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    assert reason in monitor.foresight.why_not
    assert not foreseen(monitor)


def test_an_update_of_ones_own_is_rehearsed_where_the_loss_is_unknown(tmp_path):
    q, sgd = linear(0.1)

    def update(copies, rows):
        step(copies.networks[0], copies.optimizers[0], rows.transitions)

    with watch(tmp_path / "run", q, sgd, loss=1.0, foresight={"update": update}) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    assert foreseen(monitor)[0].evidence["when"] == 33


def test_a_target_of_unknown_period_is_waited_for_and_then_followed(tmp_path):
    q, sgd = linear(0.01)
    nn.init.zeros_(q.weight)
    target = copy.deepcopy(q)
    monitor = watch(tmp_path / "run", q, sgd, target=target)
    for update in range(1, 129):
        monitor.batch(ends())
        step(q, sgd, ends())
        if update % 5 == 0:
            target.load_state_dict(q.state_dict())
        if update == 8:
            assert monitor.foresight.num_forecasts == 0
    monitor.close()
    assert monitor.foresight.num_forecasts >= 1
    assert monitor.rule.target_period == 5


def test_it_goes_on_where_another_stood(tmp_path):
    q, sgd = linear(0.001)
    first = train(watch(tmp_path / "a", q, sgd), q, sgd, ends(), 40)
    state = first.state()
    first.close("interrupted")
    with watch(tmp_path / "b", q, sgd) as second:
        second.restore(state)
        assert second.foresight.wake == 128 - 32
        assert second.foresight.num_forecasts == first.foresight.num_forecasts == 2


def pool_of(rows=64, seed=5):
    generator = torch.Generator().manual_seed(seed)
    s, following = torch.randn(2, rows, 3, generator=generator)
    a = torch.randint(2, (rows,), generator=generator)
    rewards, ends = torch.rand(2, rows, generator=generator)
    return qd.Transitions(s, a, rewards, following, (ends < 0.2).float())


def test_a_copy_in_the_runs_own_order_is_the_run_to_the_bit(tmp_path):
    pool, rng = pool_of(), np.random.default_rng(4)

    def draw():  # by the global generator, as dropout does, and by one of the replay's own
        index = torch.randint(64, (8,))[torch.from_numpy(rng.permutation(8))]
        return pool.select(index)

    torch.manual_seed(1)
    q = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Dropout(0.2), nn.Linear(16, 2))
    adam = torch.optim.Adam(q.parameters(), lr=1e-2)
    known = {"data": draw, "fixed": True, "generators": [rng], "num_updates": 41}
    probe, sizes = as_batches(draw, None, torch.device("cpu"), torch.float32).probe(), []
    with watch(tmp_path / "run", q, adam, foresight=known, reward_bound=100.0) as monitor:
        for update in range(41):
            batch = monitor.batch(draw())
            if update == 1:
                forecast = monitor.foresight.latest
            with torch.no_grad():
                y = batch.rewards + 0.9 * (1 - batch.terminated) * q(batch.next_observations).amax(
                    1
                )
            adam.zero_grad()
            chosen = q(batch.observations).gather(1, batch.actions[:, None])[:, 0]
            (functional.mse_loss(chosen, y) / 2).backward()
            adam.step()
            sizes.append(largest_value([q], probe.transitions.observations, None, is_quiet=True))
    assert (forecast.update, forecast.evidence) == (1, "own order")
    assert forecast.own["updates"] == list(range(1, 41))
    assert forecast.own["median"] == sizes[1:]


def test_where_the_order_is_known_the_call_is_what_the_run_will_do(tmp_path):
    growing, ending = w_to_2w(1), ends(1)
    γ, α, told, happened = 0.9, 0.6, [], []

    def draw():
        return growing if torch.rand(()) < 0.5 else ending  # w is multiplied by 1.48, or → 1

    for seed in range(12):
        q, sgd = linear(α)
        torch.manual_seed(seed)
        known = {"data": draw, "fixed": True, "num_updates": 41}
        with watch(tmp_path / f"{seed}", q, sgd, foresight=known, discount=γ) as monitor:
            peak = 0.0
            for _ in range(41):
                step(q, sgd, monitor.batch(draw()), γ)
                peak = max(peak, abs(q.weight.item()))
            told.append(any("its own order" in alarm.message for alarm in foreseen(monitor)))
        happened.append(peak > 12.5)  # the bound, and a quarter that TD errors excuse
    assert told == happened
    assert 0 < sum(told) < 12


def test_an_order_that_does_not_come_is_not_relied_on(tmp_path):
    pool = pool_of()
    q = nn.Linear(3, 2)
    sgd = torch.optim.SGD(q.parameters(), lr=1e-3)
    known = {"data": lambda: pool.select(torch.randint(64, (8,))), "fixed": True}
    with watch(tmp_path / "run", q, sgd, foresight=known) as monitor:
        for _ in range(3):
            torch.rand(1)  # the run draws something else in between
            step(q, sgd, monitor.batch(known["data"]()))
    assert monitor.foresight.num_forecasts >= 1
    assert monitor.foresight.latest.evidence == "fixed data"
    assert monitor.foresight.latest.own == {}


class Walk:
    """A run that acts, stores and learns: w of s → s', whose reward drifts as it goes."""

    takes = ()

    def __init__(self, q, sgd, monitor=None):
        self.q, self.sgd, self.monitor = q, sgd, monitor
        self.rng, self.replay, self.under_way = np.random.default_rng(2), [w_to_2w(4)], None

    def __deepcopy__(self, memo):
        twin = type(self)(copy.deepcopy(self.q, memo), copy.deepcopy(self.sgd, memo))
        for name in ("rng", "replay", "under_way"):
            setattr(twin, name, copy.deepcopy(getattr(self, name), memo))
        return twin

    def update(self):
        if self.under_way is None:
            self.replay.append(ends(4) if self.rng.random() < 0.3 else w_to_2w(4))
            self.under_way = self.replay[self.rng.integers(len(self.replay))]
        if self.monitor is not None:
            self.monitor.batch(self.under_way)
        step(self.q, self.sgd, self.under_way)
        self.under_way = None


def test_a_copy_of_all_of_the_run_goes_on_as_it_does(tmp_path):
    q, sgd = linear(0.1)
    run = Walk(q, sgd)
    known = {"live": lambda _: run, "data": lambda: run.replay[0], "num_updates": 100}
    with watch(tmp_path / "run", q, sgd, foresight=known) as run.monitor:
        sizes = []
        for _ in range(100):
            run.update()
            sizes.append(2 * abs(q.weight.item()))
        forecast = run.monitor.foresight.latest
    own = dict(zip(forecast.own["updates"], forecast.own["median"], strict=True))
    assert forecast.evidence == "live"
    assert all(2 * value == sizes[int(k) - 1] for k, value in own.items())  # the probe is s = 1
    assert forecast.is_call == (max(sizes) > 12.5)


def test_nothing_is_copied_while_no_copy_of_the_run_can_be_made_yet(tmp_path, monkeypatch):
    """In the middle of a call of many updates the run is asked at each, and says: not yet."""
    made, asked = [], []
    monkeypatch.setattr(at_hand, "stages", lambda *a, **k: made.append(1) or stages(*a, **k))
    q, sgd = linear(0.1)
    run = Walk(q, sgd)

    def live(batch):
        asked.append(batch)
        return None if len(asked) < 20 else run

    known = {"live": live, "data": lambda: run.replay[0], "num_updates": 100}
    with watch(tmp_path / "run", q, sgd, foresight=known) as run.monitor:
        for _ in range(30):
            run.update()
    assert len(asked) == 20
    assert len(made) == 1
    assert run.monitor.foresight.latest.update == 19


def test_a_run_that_cannot_be_copied_is_rehearsed_on_the_data_at_hand(tmp_path):
    q, sgd = linear(0.1)
    run = Walk(q, sgd)
    run.replay.append(step for step in ())  # what no copy can be made of
    known = {"live": lambda _: run, "data": w_to_2w, "num_updates": 100}
    with watch(tmp_path / "run", q, sgd, foresight=known) as monitor:
        train(monitor, q, sgd, w_to_2w(), 18)
    assert "cannot pickle" in load_run(tmp_path / "run").info["foresight"]["why_not_live"]
    assert monitor.foresight._dates.sure_until == 0  # it was no witness, however far it was to go
    assert foreseen(monitor)[0].evidence["by"] == "replay"

    def refuse(batch):
        raise InvalidValueError("a replay must be small", got="a large one")

    q, sgd = linear(0.1)
    with watch(tmp_path / "too", q, sgd, foresight=known | {"live": refuse}) as monitor:
        train(monitor, q, sgd, w_to_2w(), 18)
    assert "a large one" in monitor.foresight.why_not_live
    assert foreseen(monitor)[0].evidence["by"] == "replay"


def test_a_call_says_how_often_its_rule_was_right(tmp_path):
    q, sgd = linear(0.1)
    with watch(tmp_path / "a", q, sgd, foresight={"data": w_to_2w, "num_updates": 99}) as monitor:
        train(monitor, q, sgd, w_to_2w(), 18)
    (alarm,) = foreseen(monitor)
    rule = measured()["replay"]
    assert alarm.evidence["caught"] == [rule.caught.count, rule.caught.of]
    assert f"{rule.false.count} of {rule.false.of} sound ones" in alarm.message
    q, sgd = linear(0.1)
    with watch(tmp_path / "b", q, sgd) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    assert "was not measured" in foreseen(monitor)[0].message


@pytest.mark.parametrize(("size", "num_updates"), [(4, 0), (32, 128), (2_000, 500)])
def test_a_replay_that_is_small_yet_is_not_learnt_from_for_long(tmp_path, size, num_updates):
    q, sgd = linear(1e-4)
    known = {"data": lambda: w_to_2w(8), "num_rows": lambda: size}
    with watch(tmp_path / "run", q, sgd, foresight=known) as monitor:
        monitor.batch(w_to_2w(8))
        foresight = monitor.foresight
        assert foresight.num_forecasts == (num_updates > 0)
        assert foresight.wake == (128 if num_updates else 8)
    if num_updates:  # 32 N/b, at most 500
        assert foresight.latest.num_updates == num_updates


def test_what_is_found_is_looked_at_before_the_next_date(tmp_path):
    dates = {}
    for is_found in (False, True):
        q, sgd = linear(1e-4)
        known = {"data": ends, "num_updates": 10_000}
        with watch(tmp_path / f"{is_found}", q, sgd, foresight=known) as monitor:
            train(monitor, q, sgd, ends(), 10)
            if is_found:
                monitor._parts.telling.tell(finding("optimizer_never_steps", num_batches=50))
            dates[is_found] = monitor.foresight.wake
            train(monitor, q, sgd, ends(), 2)
            assert monitor.foresight.num_forecasts == 1 + is_found
    assert dates == {False: 128, True: 10}


@pytest.mark.parametrize("given", [{"datum": 1}, {"num_updates": 0}, "yes"])
def test_what_it_is_told_is_checked(tmp_path, given):
    q, sgd = linear(0.1)
    with pytest.raises(InvalidValueError, match=r"foresight must be|num_updates"):
        watch(tmp_path / "run", q, sgd, foresight=given)


def test_values_beyond_the_bound_are_seen_at_the_very_update(tmp_path):
    q, sgd = linear(0.5)  # 1.4^k > 10 · 5/4 at k = 8, for max|Q| over s = 1
    with watch(tmp_path / "run", q, sgd, foresight=False) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    (alarm,) = [a for a in monitor.alarms if a.rule == "soft_divergence"]
    assert alarm.update == 8


def test_a_remedy_is_taken_where_the_run_lets_itself_be_changed(tmp_path):
    q, sgd = linear(2.1)  # w − 1 is multiplied by −1.1: |w| > 10 at update 24
    nn.init.zeros_(q.weight)

    def apply(change):
        sgd.param_groups[0]["lr"] = change["learning_rate"]

    ahead = {"apply": apply, "remedies": ("learning_rate",)}
    with watch(tmp_path / "run", q, sgd, foresight=ahead, on_alarm="stop") as monitor:
        train(monitor, q, sgd, ends(), 9)
        alarm = foreseen(monitor)[0]
        sgd_rate = sgd.param_groups[0]["lr"]
        assert not monitor.foresight.is_off
    assert sgd_rate == pytest.approx(2.1 / 4)
    assert alarm.evidence["applied"]
    assert alarm.message.endswith("It was applied.")
    (taken,) = load_run(tmp_path / "run").info["remedies"]
    assert taken == {"step": 8, "update": 8, "learning_rate": pytest.approx(2.1 / 4)}


def test_a_remedy_that_fails_is_said_and_not_called_taken(tmp_path):
    q, sgd = linear(2.1)
    nn.init.zeros_(q.weight)
    broken = {"apply": lambda change: 1 / 0, "remedies": ("learning_rate",)}
    with (
        watch(tmp_path / "run", q, sgd, foresight=broken) as monitor,
        pytest.warns(UserWarning, match="applying a remedy"),
    ):
        train(monitor, q, sgd, ends(), 9)
    assert "applied" not in foreseen(monitor)[0].evidence
    assert "remedies" not in load_run(tmp_path / "run").info


def test_remedies_are_fields_of_the_rule(tmp_path):
    q, sgd = linear(0.1)
    with pytest.raises(InvalidValueError, match="fields of the rule"):
        watch(tmp_path / "run", q, sgd, foresight={"remedies": ("momentum",)})


def test_copies_on_a_replay_are_asked_again_halfway_before_it_is_called():
    def forecast(update, when, evidence="replay"):
        passed = (None if when is None else when - update,) * 2
        fan = {"updates": [1.0], "median": [1.0]}
        is_call = when is not None
        return Forecast(update, 500, 1.0, 10.0, evidence, passed, is_call, 1.0, fan)

    asked = AskedAgain()
    first = asked.weigh(forecast(16, 41))
    assert not first.is_call
    assert (first.again, asked.due) == (29, 29)
    assert "asked again at update 29" in first.outcome
    assert not asked.is_due(28)
    assert asked.is_due(29)
    assert asked.weigh(forecast(29, 40)).is_call
    assert asked.due == math.inf

    assert not asked.weigh(forecast(128, 328)).is_call
    assert not asked.weigh(forecast(228, None)).is_call  # taken back
    assert asked.due == math.inf
    assert asked.weigh(forecast(0, 7, "own order")).is_call  # the run itself need not be asked
