"""The monitor audits the loop that it watches: it names bugs, and leaves the run as it is."""

import math
import warnings

import pytest
import torch

import qdiverge as qd
from qdiverge.monitor import attach, dump_state, load_state
from qdiverge.monitor.budget import AUDIT_SHARE, Budget
from qdiverge.monitor.loop_audit import NUM_FIRST, next_audit
from qdiverge.report import write_report
from qdiverge.runs import load_run, read_events
from tests.monitor.loops import (
    BUGS,
    DISCOUNT,
    SOUND,
    Critics,
    DrawnAhead,
    Hooked,
    Loop,
    Unmasked,
    mlp,
)
from tests.monitor.test_budget import Clock

UNDECIDED = {"Parts", "Dropout", "TwoOptimisers"}  # and no finding all the same


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_loop_has_no_finding_and_stays_as_it_is_to_the_bit(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        plain = SOUND[name]().train()
        watched = SOUND[name](tmp_path / "run", audit_period=1).train()
    for got, expected in zip(watched.state(), plain.state(), strict=True):
        assert torch.equal(got, expected)
    audit = watched.monitor.loop_audit
    assert watched.found == []
    assert audit.num_audits >= 3
    num_wrong = 2 if name == "DrawnAhead" else 0  # until it is seen to draw ahead
    assert audit.num_undecided == (audit.num_audits if name in UNDECIDED else num_wrong)
    if isinstance(watched, Hooked):
        assert watched.num_heard == plain.num_heard


@pytest.mark.parametrize(("loop", "code"), BUGS.items(), ids=lambda x: getattr(x, "__name__", x))
def test_a_bug_is_named_once_in_words_in_the_log_and_to_callables(tmp_path, loop, code):
    heard = []
    with pytest.warns(UserWarning, match="qdiverge, at update"):
        watched = loop(tmp_path / "run", on_alarm=("stop", heard.append)).train()
    assert watched.found.count(code) == 1
    assert set(watched.found) <= {code, "bootstrap_differs"}  # no stop: it bootstraps by q, too
    assert [alarm.rule for alarm in heard] == watched.found  # and the run was not stopped
    run = load_run(tmp_path / "run")
    (logged,) = [alarm for alarm in run.alarms if alarm.rule == code]
    assert logged.kind == "loop"
    assert logged.message in watched.monitor.verdict or len(watched.found) > 1
    assert run.info["audit"]["num_audits"] == watched.monitor.loop_audit.num_audits
    page = write_report([tmp_path / "run"]).read_text(encoding="utf-8")
    section = page.partition("Is the loop right?")[2].partition("</section>")[0]
    assert code.replace("_", " ") in section
    assert "Loop to be checked" in page


@pytest.mark.parametrize(("loop", "code"), BUGS.items(), ids=lambda x: getattr(x, "__name__", x))
def test_a_bug_is_named_where_batches_are_shown_ahead_of_their_update(tmp_path, loop, code):
    ahead = type("Ahead", (DrawnAhead, loop), {})
    with pytest.warns(UserWarning, match="qdiverge, at update"):
        watched = ahead(tmp_path / "run").train()
    assert watched.found.count(code) == 1
    assert set(watched.found) <= {code, "bootstrap_differs"}


def test_a_line_of_the_log_has_class_and_evidence(tmp_path):
    with pytest.warns(UserWarning, match="Terminal states keep 100% of their bootstrap"):
        Unmasked(tmp_path / "run").train(10)
    (line,) = [each for each in read_events(tmp_path / "run") if each["kind"] == "alarm"]
    assert line["class"] == "loop"
    assert line["rule"] == "terminals_bootstrapped"
    assert line["evidence"]["kept"] == pytest.approx(1.0, abs=1e-4)
    assert line["update"] == 1  # said at the second update


@pytest.mark.parametrize(("of_live", "of_ends"), [(0.0, DISCOUNT), (1.0, 0.0), (-DISCOUNT, 0.0)])
def test_a_loop_whose_discount_is_at_the_rim_or_none_is_measured(tmp_path, of_live, of_ends):
    """Masks that are the wrong way round, a γ that was left out, a wrong sign."""

    class Odd(Loop):
        def goal(self, batch):
            with torch.no_grad():
                kept = torch.where(batch["terminated"] == 0, of_live, of_ends)
                return batch["rewards"] + kept * self.following(batch)

    with pytest.warns(UserWarning, match="qdiverge, at update"):
        loop = Odd(tmp_path / "run", audit_period=1).train()
    assert "monitor_failures" not in load_run(tmp_path / "run").info
    assert loop.monitor.rule.discount == (of_live if of_live >= 0 else DISCOUNT)
    evidence = {alarm.rule: alarm.evidence for alarm in loop.monitor.alarms if alarm.kind == "loop"}
    assert evidence["discount_differs"]["shown"] == pytest.approx(of_live, abs=1e-5)
    if of_ends:
        assert evidence["terminals_bootstrapped"]["kept"] == pytest.approx(1, abs=1e-4)


def test_what_is_seen_of_the_rule_is_known_from_the_gradient(tmp_path):
    loop = SOUND["Clipped"](tmp_path / "run").train()
    rule = loop.monitor.rule
    assert (rule.loss, rule.clipping, rule.discount) == ("huber", 0.05, DISCOUNT)
    for name in ("loss", "clipping", "discount", "bootstrap", "has_weights", "target_period"):
        assert rule.sources[name] == "seen"
    squared = SOUND["Squared"](tmp_path / "squared")
    assert squared.monitor.rule.loss == "huber"  # assumed until an audit sees another
    assert squared.monitor.rule.sources["loss"] == "assumed"
    squared.train()
    assert squared.monitor.rule.loss == "squared"
    assert squared.monitor.subject.learning_rate == 2 * squared.learning_rate
    assert SOUND["DoubleQ"](tmp_path / "double").train().monitor.rule.bootstrap == "double_q"
    assert SOUND["Weighted"](tmp_path / "weighted").train().monitor.rule.has_weights
    page = write_report([tmp_path / "run"]).read_text(encoding="utf-8")
    assert "nothing found. It trains: Huber’s loss" in page.replace("&#x27;", "’").replace("'", "’")


FACTORS = {"Loop": 1, "Squared": 2, "Quartered": 0.5, "Summed": 32, "SummedFused": 32,
           "Accumulated": 1, "Scaled": 1, "ScaledFused": 1, "Clipped": 1}  # fmt: skip


@pytest.mark.parametrize("name", FACTORS)
def test_the_constant_factor_of_the_loss_is_in_the_step_of_the_verdict(tmp_path, name):
    loop = SOUND[name](tmp_path / "run", audit_period=10).train()
    rule, slope = loop.monitor.rule, FACTORS[name]
    assert rule.slope == pytest.approx(slope, rel=1e-3)
    assert loop.monitor.subject.learning_rate == pytest.approx(slope * 3e-3, rel=1e-3)
    assert (rule.loss_factor, rule.sources["loss_factor"]) == (1, "assumed") or (
        rule.sources["loss_factor"] == "seen"
    )
    if slope in (32, 0.5):
        assert rule.sources["loss_factor"] == "seen"
        told = f"{rule.loss_factor:.4g} × "
        assert told in load_run(tmp_path / "run").info["audit"]["trains"]
        assert told in load_run(tmp_path / "run").info["update_rule"]


def test_the_radius_is_that_of_a_loss_that_is_summed(tmp_path):
    """One weight, s = 1 → s' = 2, γ = .6, eight rows: 1 + 8 α(2γ − 1), by monitor and diagnose."""
    q, s = torch.nn.Linear(1, 1, bias=False), torch.ones(8, 1)
    optimizer = torch.optim.SGD(q.parameters(), lr=0.01)
    r = torch.linspace(-1, 1, 8)
    batch = {"obs": s, "actions": torch.zeros(8).long(), "rewards": r, "next_obs": 2 * s,
             "dones": torch.zeros(8)}  # fmt: skip
    options = {"every": 1, "cost": "full", "max_overhead": None, "probe_size": 8}
    with attach(q, optimizer=optimizer, discount=0.6, out=tmp_path / "run", **options) as monitor:
        for _ in range(20):
            monitor.batch(batch)
            y = batch["rewards"] + 0.6 * q(2 * s)[:, 0].detach()
            optimizer.zero_grad()
            (0.5 * (q(s)[:, 0] - y) ** 2).sum().backward()
            optimizer.step()
    assert monitor.latest["diverge/spectral_radius"] == pytest.approx(1 + 0.08 * 0.2, rel=1e-5)
    report = qd.diagnose(q, batch, 0.6, optimizer=optimizer, loss_factor=8.0)
    assert report.stability.spectral_radius == pytest.approx(1 + 0.08 * 0.2, rel=1e-5)
    assert report.rule.sources["loss_factor"] == "given"
    assert str(report.rule).startswith("8 × ½δ² by SGD")
    step = report.stability.learning_rate
    same = qd.diagnose(q, batch, 0.6, step, optimizer=optimizer, loss_factor=8.0)
    assert same.rule.learning_rate == pytest.approx(0.01)  # α is that of ½ Σ ρ δ²


@pytest.mark.parametrize("is_soft", [False, True])
@pytest.mark.parametrize("num_optimizers", [1, 2])
def test_critics_whose_next_actions_are_drawn_are_audited_by_the_loops_own(
    tmp_path, is_soft, num_optimizers
):
    if num_optimizers == 2:  # one optimiser of the two, and so one critic's gradient of the two
        with pytest.raises(ValueError, match="optimizer must train"):
            Critics(tmp_path / "run", is_soft, num_optimizers=2)
        return
    plain, watched = Critics(None, is_soft).train(), Critics(tmp_path / "run", is_soft).train()
    for got, expected in zip(watched.state(), plain.state(), strict=True):
        assert torch.equal(got, expected)
    audit = watched.monitor.loop_audit
    assert (watched.found, audit.num_undecided) == ([], 0)
    assert audit.num_audits >= 8
    assert (watched.monitor.rule.loss, watched.monitor.rule.polyak) == ("squared", 0.05)


def test_one_of_two_critics_with_an_optimiser_each_is_audited(tmp_path):
    loop = Critics(None, is_soft=False, num_optimizers=2)

    class Least(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = loop.targets[0]

        def forward(self, s, a):
            return torch.stack([target(s, a) for target in loop.targets]).amin(0)

    loop.monitor = attach(
        loop.critics[0], target=Least(), optimizer=loop.optimizers[0], discount=DISCOUNT,
        policy=loop.actor, out=tmp_path / "run", audit_period=5, max_overhead=None, cost="light",
    )  # fmt: skip
    loop.train()  # the loop asks the targets themselves, so a' is not heard
    assert loop.found == []
    assert loop.monitor.loop_audit.num_audits >= 8


@pytest.mark.parametrize(
    ("bug", "code", "is_soft"),
    [
        ("no minimum", "bootstrap_differs", True),
        ("no minimum", "bootstrap_differs", False),
        ("no entropy", "bootstrap_differs", True),
        ("unmasked", "terminals_bootstrapped", True),
        ("unmasked", "terminals_bootstrapped", False),
    ],
)
def test_bugs_of_critics_are_named(tmp_path, bug, code, is_soft):
    with pytest.warns(UserWarning, match="qdiverge, at update"):
        loop = Critics(tmp_path / "run", is_soft, bug).train()
    assert loop.found == [code]


def test_why_none_is_audited_is_said_by_name(tmp_path):
    def info(name, **options):
        loop = Loop(tmp_path / name, **options).train(3)
        assert loop.monitor.loop_audit.num_audits == 0
        return load_run(tmp_path / name).info["audit"]["why_not"]

    assert info("factor", loss=0.5) == "its loss is known by its step alone"
    assert info("c51", not_modelled="Q lies inside a support") == "Q lies inside a support"
    assert info("not", audit_period=None) == "it was not asked for"
    page = write_report([tmp_path / "c51"]).read_text(encoding="utf-8")
    assert "No update was audited: Q lies inside a support." in page


def test_an_audit_that_fails_is_one_warning_and_training_goes_on(tmp_path):
    class Fragile(Loop):
        def network(self):
            class Twice(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.body, self.may = mlp(), False

                def forward(self, s):
                    if torch.is_grad_enabled() and not self.may:
                        raise RuntimeError("called by a stranger")
                    return self.body(s)

            return Twice()

        def q(self, batch):
            self.q_net.may = True
            values = super().q(batch)
            self.q_net.may = False
            return values

    with pytest.warns(UserWarning, match="auditing the loop failed at update 1") as caught:
        loop = Fragile(tmp_path / "run").train(20)
    assert sum("auditing" in str(each.message) for each in caught) == 1
    assert loop.monitor.num_updates == 20
    assert loop.monitor.loop_audit.why_not == "it failed"


def test_a_warning_that_is_made_an_error_does_not_end_the_run(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Unmasked(tmp_path / "run").train(10).found == ["terminals_bootstrapped"]


def test_steps_without_a_gradient_or_with_none_that_is_finite_are_passed_over(tmp_path):
    loop = Loop(tmp_path / "run", audit_period=1)
    loop.monitor.batch(loop.draw())
    loop.optimizer.step()
    loop.monitor.batch(loop.draw())
    for parameter in loop.q_net.parameters():
        parameter.grad = torch.full_like(parameter, math.nan)
    loop.optimizer.step()
    loop.monitor.close("interrupted")
    assert (loop.monitor.loop_audit.num_audits, loop.monitor.loop_audit.why_not) == (0, "")


class Forgotten(Loop):
    def synchronise(self):
        pass


def test_a_target_that_never_moved_is_named_at_the_end_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("qdiverge.monitor.target_notes.LAST_PATIENCE", 30)
    with pytest.warns(UserWarning, match="has not moved in 40 updates"):
        assert Forgotten(tmp_path / "run").train(40).found == ["target_never_moves"]
    assert Forgotten(tmp_path / "short").train(20).found == []
    told = Forgotten(tmp_path / "told", rule={"target_period": 50})
    assert told.train(40).found == []  # its first copy was still to come
    assert Loop(tmp_path / "sound").train(40).found == []


def test_a_target_that_stands_still_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("qdiverge.monitor.target_notes.PATIENCE", 30)
    with pytest.warns(UserWarning, match="has not moved in 30 updates"):
        loop = Forgotten(tmp_path / "run").train(50)
    assert loop.found == ["target_never_moves"]


def test_another_monitor_goes_on_without_saying_it_again(tmp_path):
    with pytest.warns(UserWarning, match="Terminal states"):
        first = Unmasked(tmp_path / "first").train(20)
    state = load_state(dump_state(first.monitor.state()))
    second = Unmasked(tmp_path / "second")
    second.monitor.restore(state)
    second.train(20)
    assert second.found == ["terminals_bootstrapped"]  # the one that was restored
    assert second.monitor.loop_audit.num_audits > first.monitor.loop_audit.num_audits
    assert not load_run(tmp_path / "second").alarms


def test_audits_take_their_share_and_no_more():
    clock = Clock()
    budget = Budget(0.05, clock)
    num = 0
    for _ in range(100_000):
        clock.now += 0.001  # an update
        if budget.allows_audit():
            with budget.charge("audit"):
                clock.now += 0.01
            num += 1
    own = 100.0
    assert 0.9 * AUDIT_SHARE * 0.05 * own < 0.01 * (num - 1) <= AUDIT_SHARE * 0.05 * own


def test_the_schedule_is_dense_at_the_start_and_then_steady():
    due, updates = 1, []
    while due < 5_000:
        updates.append(due)
        due = next_audit(due, 1_000)
    assert updates[: NUM_FIRST + 2] == [1, 2, 3, 6, 12]
    assert updates[-2:] == [3536, 4536]
