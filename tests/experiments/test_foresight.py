"""The foresight study: labels, splits, faithful copies, no leak from the test split."""

import gzip
import json
import subprocess
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from analysis.statistics import wilson_interval
from experiments.foresight import (
    again,
    ahead,
    corpus,
    draw,
    evaluate,
    further,
    rates,
    remedies,
    rules,
    show,
    sweep,
)
from experiments.foresight.cell import Cell
from experiments.foresight.live import LiveRun
from experiments.foresight.observe import Course, as_row, curve_times, follow
from experiments.foresight.run import main as foresight_main
from experiments.sweep.results import machine_paths
from qdiverge.errors import RunFolderError
from qdiverge.monitor.foresight import measured_rates
from qdiverge.rehearsal.rehearse import rehearsals
from qdiverge.runs.table import StudyTable, read_table

CELL = Cell(
    split="dev", stratum="short", problem="maze", seed=3, algorithm="dqn", width=16, depth=1,
    activation="tanh", layer_norm=False, optimizer="adam", relative_step=0.1, loss="mse",
    batch_size=16, discount=0.9, bootstrap="target_q", target_period=7, polyak=None, n_step=1,
    prioritized=False, buffer_size=200, coverage=1.0, num_updates=50,
)  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "is_broken", "touched", "stays", "unbounded"),
    [
        ([0.1, 0.2, 0.3], False, None, False, False),
        ([0.1, 1.1, 1.2, 1.3], False, 1, True, False),
        ([0.1, 1.1, 0.9, 0.8], False, 1, False, False),
        ([0.1, 2.0, 101.0], False, 1, True, True),
        ([0.1, float("nan")], False, 1, True, True),
        ([0.1, 0.2], True, 2, True, True),
        ([1.5, 0.2, 0.3], False, 0, False, False),
    ],
)
def test_labels_of_made_up_courses(sizes, is_broken, touched, stays, unbounded):
    course = Course(sizes=sizes, churns=[0.0] * (len(sizes) - 1), is_broken=is_broken)
    assert (course.touched, course.stays, course.is_unbounded) == (touched, stays, unbounded)


def test_running_maxima_hold_every_update_however_they_are_thinned():
    rng = np.random.default_rng(0)
    sizes = rng.random(2_001).tolist()
    course = Course(sizes=sizes, churns=rng.random(2_000).tolist(), td_errors=[1.0, 1.0])
    row = as_row(course)
    assert row["times"] == curve_times(2_000)
    assert len(row["times"]) < 60
    for t, size in zip(row["times"], row["size_running"], strict=True):
        assert size == pytest.approx(max(sizes[: t + 1]), rel=1e-2)


@pytest.mark.parametrize("is_full", [False, True])
def test_no_test_run_shares_problem_or_network_with_dev(is_full):
    cells = draw.draw(is_full)
    for what in ("problem", "network"):
        dev, test = ({getattr(c, what) for c in cells if c.split == s} for s in draw.SIZES)
        assert dev
        assert test
        assert not dev & test
    assert len({json.dumps(asdict(cell)) for cell in cells}) == len(cells)


def test_the_corpus_is_the_beginning_of_the_full_one_and_mixes_its_strata():
    cells = draw.draw()
    assert set(cells) < set(draw.draw(is_full=True))
    first = [cell.stratum for cell in cells[:40]]
    assert {"short", "default", "critic", "long", "online"} <= set(first)


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("problem", ["maze", "cartpole"])
def test_in_an_online_cell_the_network_that_acts_is_the_one_that_learns(problem, action):
    run = LiveRun(replace(CELL, stratum="online", problem=problem, num_updates=400))
    output = run.networks[0].layers[-1]
    with torch.no_grad():
        for weight in output.parameters():
            weight.zero_()
        output.bias[action] = 1.0
    shape = (200, *run.trainer.environments.shape)
    observations = np.random.default_rng(0).random(shape).astype(np.float32)
    actions = run.trainer.behaviour.actions(observations, 10_000)
    assert (actions == action).mean() > 0.8  # ε is 0.05 then


CELLS = {
    "target": CELL,
    "prioritised, n-step": replace(CELL, prioritized=True, n_step=3, bootstrap="double_q"),
    "online": replace(CELL, stratum="online", problem="cartpole", buffer_size=500),
    "online, averaged": replace(
        CELL, stratum="online", target_period=None, polyak=0.1, n_step=3, prioritized=True
    ),
    "DDPG": replace(
        CELL, stratum="critic", problem="mountain_car_continuous", algorithm="ddpg",
        target_period=None, polyak=0.1,
    ),
    "SAC": replace(
        CELL, stratum="critic", problem="mountain_car_continuous", algorithm="sac",
        target_period=None, polyak=1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_running_ahead_moves_nothing_of_the_run(name):
    cell = CELLS[name]
    looks = [ahead.Look(4, 20, orders=2)]
    if cell.is_online:
        looks += [replace(look, horizon=20) for look in ahead.LIVELY]
    else:
        looks.append(replace(ahead.FIRST[-1], horizon=20))
    alone, watched = LiveRun(cell), LiveRun(cell)
    theirs = follow(alone)
    ours = follow(
        watched,
        lambda update, _: update % 20 == 0
        and [rehearse(watched, look) for look in looks] and None,
    )  # fmt: skip
    assert ours.sizes == theirs.sizes


def rehearse(run, look):
    stage = ahead.stage_for(run, look, look.horizon)
    return rehearsals([stage], num_updates=look.horizon, num_orders=look.orders, speed=look.speed)


@pytest.mark.parametrize("name", CELLS)
def test_a_copy_in_the_runs_own_order_is_the_run(name):
    cell, sizes = replace(CELLS[name], prioritized=False), []
    looks = ahead.LOOKS[cell.stratum][0]
    own = replace(next(look for look in looks if look.is_own), horizon=30)

    def look_ahead(update, course):
        if update == 0:
            sizes.extend(rehearse(run, own)[0].q_abs_max[0] / run.bound)

    run = LiveRun(cell)
    went = follow(run, look_ahead)
    assert sizes == pytest.approx(went.sizes[1:31], rel=1e-5)


def test_living_copies_act_and_differ():
    run = LiveRun(CELLS["online"])
    for _ in range(5):
        run.update()
    step = run.trainer.agent_step
    stage = ahead.live_stage(run, 4)
    (made,) = rehearsals([stage], num_updates=80, num_orders=2, speed=4)
    assert run.trainer.agent_step == step
    assert (made.q_abs_max[0] != made.q_abs_max[1]).any()


def test_a_remedy_is_the_cell_with_fields_of_its_rule_changed():
    changed = remedies.changed(CELL, {"learning_rate": 0.01, "polyak": 0.005}, rate=0.04)
    assert changed == replace(CELL, relative_step=0.025, polyak=0.005, target_period=None)
    slow = {"target_period": 100, "bootstrap": "target_q"}
    averaged = replace(CELL, target_period=None, polyak=0.5)
    assert remedies.changed(averaged, slow, 0.04) == replace(CELL, target_period=100)


def test_a_cell_that_diverges_is_remedied_and_ends_as_numbers(tmp_path):
    cell = replace(
        CELL, seed=4, width=32, optimizer="adam", relative_step=2.0, bootstrap="q",
        target_period=None, coverage=0.25, activation="relu", num_updates=60,
    )  # fmt: skip
    row = json.loads(json.dumps(sweep.run(asdict(cell), tmp_path), allow_nan=False))
    assert row["touched"] is not None
    assert row["moments"]["0"]["x1"]["passed"].count(None) == 0
    assert set(row["remedies"]["applied"]) >= {"step / 4", "slow target"}
    assert row["remedies"]["rehearsed"]["as it is"]["peaks"][0] > 1


def said(*peaks, passed=None, copied=300):
    passed = [None if peak <= 1 else (passed or 50) for peak in peaks]
    return {"horizon": 300, "peaks": list(peaks), "soon": list(peaks), "passed": passed,
            "copied": copied}  # fmt: skip


def made_up(touched=None, stratum="short", split="dev", seed=0, largest=None, **moments):
    """A run whose values rise evenly to B at ``touched``, or to half of it."""
    length = 300
    top = largest or (1.0 if touched else 0.5)
    sizes = [top * 1.001 * u / (touched or length) for u in range(length + 1)]
    course = Course(sizes=sizes, churns=[1e-3] * length, td_errors=[1.0, 0.5])
    row = as_row(course) | {"seconds": 1.0, "learning_rate": 0.1}
    row["moments"] = {"0": {"exponent": 0.1}}
    for name, looks in moments.items():
        row["moments"].setdefault(name.removeprefix("at_"), {}).update(looks)
    return corpus.Run(replace(CELL, stratum=stratum, split=split, seed=seed), row)


def test_a_sign_alarms_at_the_very_update_at_which_its_level_is_passed():
    rule = rules.sign("size")
    run = made_up(touched=200)
    for level in rule.levels:
        alarm = rule.alarm(run, level)
        assert alarm is not None
        assert 1.001 * alarm / 200 > level >= 1.001 * (alarm - 1) / 200


def test_copies_alarm_by_their_median_and_where_they_are_asked():
    early, late = said(1.2, 0.9, 0.8), said(1.2, 1.1, 0.8)
    run = made_up(touched=200, at_0={"x1": early}, at_32={"x1": late})
    assert rules.ahead("x1", 0).alarm(run, 1.0) is None
    assert rules.ahead("x1", 0, 8, 32).alarm(run, 1.0) == 32
    assert rules.ahead("x1", 0, 8, 32, twice=True).alarm(run, 1.0) is None
    assert rules.ahead("x1", 0, 32, twice=True).alarm(run, 0.8) == 32
    assert rules.ahead("x1", 0, 32, confirmed_by="x4").alarm(run, 0.5) is None


def test_a_threshold_is_the_least_that_allows_its_share_of_false_alarms():
    rule = rules.sign("size")
    runs = [made_up(largest=0.2 + 0.005 * k) for k in range(100)]
    level = rules.threshold_of(rule, runs)
    assert sum(rule.alarm(run, level) is not None for run in runs) <= 3
    lower = rule.levels[rule.levels.index(level) - 1]
    assert sum(rule.alarm(run, lower) is not None for run in runs) > 3
    assert rules.threshold_of(rules.ahead("x1", 0), runs) == rules.HALF


def test_rules_are_judged_by_whole_runs():
    runs = [
        made_up(touched=200, at_0={"x1": said(1.2, 1.2, 0.1)}),
        made_up(touched=100, at_0={"x1": said(0.2, 1.2, 0.1)}),
        made_up(at_0={"x1": said(1.2, 1.2, 1.2)}),
        made_up(at_0={"x1": said(0.2, 0.2, 0.2)}),
    ]
    found = evaluate.judge(rules.ahead("x1", 0), 1.0, runs)
    assert found["caught"] == [1, 2]
    assert found["false"] == [1, 2]
    assert found["median lead"] == 0.5
    assert found["copied updates a run"] == 300
    assert found["forecast quartiles"] == [0.25, 0.25, 0.25]
    assert found["forecast within a factor of 2"] == [0, 1]


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    scores, happens = rng.integers(0, 6, 60).astype(float), rng.random(60) < 0.3
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[happens] for n in scores[~happens]]
    assert evaluate.auroc(scores, happens) == pytest.approx(np.mean(pairs))
    assert np.isnan(evaluate.auroc(scores, np.zeros(60, dtype=bool)))


def write_split(folder, split, runs):
    lines = [{"key": str(i), "config": asdict(r.cell), "row": r.row} for i, r in enumerate(runs)]
    text = "\n".join(json.dumps(each) for each in [{"schema": 1, "commit": "x"}, *lines])
    corpus.file(split, folder).write_bytes(gzip.compress(text.encode(), mtime=0))


def make_corpus(folder):
    for split in corpus.SPLITS:
        runs = [
            made_up(touched, stratum, split, seed, at_0={look: said(1.2 if touched else 0.2)})
            for stratum, look in (("short", "x1"), ("long", "x16"), ("online", "x16"))
            for seed, touched in enumerate((None, 100, None, 200))
        ]
        begun_beyond = made_up(touched=100, split=split)
        begun_beyond.row["touched"] = 0
        write_split(folder, split, [*runs, begun_beyond])


def in_a_repository(folder, *commands):
    for command in commands:
        subprocess.run(["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@x",
                        *command.split()], check=True, capture_output=True)  # fmt: skip


def test_the_test_split_is_not_opened_before_the_rules_are_committed(tmp_path, monkeypatch):
    make_corpus(tmp_path)
    in_a_repository(tmp_path, "init")
    opened = []
    real = corpus.load
    monkeypatch.setattr(evaluate, "load", lambda *a: opened.append(a) or real(*a))
    with pytest.raises(RunFolderError, match="foresight fix"):
        evaluate.evaluate(tmp_path)
    rules.fix(tmp_path)
    with pytest.raises(RunFolderError, match="must be committed"):
        evaluate.evaluate(tmp_path)
    in_a_repository(tmp_path, "add rules.json", "commit -m rules")
    (tmp_path / "rules.json").write_text((tmp_path / "rules.json").read_text() + " ")
    with pytest.raises(RunFolderError, match="must be committed"):
        evaluate.evaluate(tmp_path)
    assert not opened
    in_a_repository(tmp_path, "checkout rules.json")
    found = evaluate.evaluate(tmp_path)
    assert found["rules"]["short"]["preflight"]["caught"] == [2, 2]
    assert found["rules"]["long"]["x16 before the run"]["false"] == [0, 2]
    show.show(tmp_path)


def test_the_dev_split_is_judged_from_its_committed_rows_and_nothing_is_written(capsys):
    """Its copies were not followed to 5/4 B, and the test split's evaluation stays as it is."""
    path = corpus.RESULTS / "evaluation.json"
    before = path.read_bytes()
    assert foresight_main(["evaluate", "--split", "dev"]) == 0
    assert "in sample, no measure of anything to come" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_rules_do_not_depend_on_the_test_split(tmp_path):
    make_corpus(tmp_path)
    first = rules.fix(tmp_path)
    corpus.file("test", tmp_path).unlink()
    assert rules.fix(tmp_path)["thresholds"] == first["thresholds"]
    write_split(tmp_path, "dev", [made_up()])
    with pytest.raises(RunFolderError, match="of this dev split"):
        rules.read_rules(tmp_path)


def test_a_packed_split_is_read_and_is_a_table_to_go_on_with(tmp_path):
    runs = [made_up(touched=100), made_up(split="test"), made_up(seed=1)]
    rows = {
        str(i): {"key": str(i), "config": asdict(run.cell), "row": run.row, "commit": "x"}
        for i, run in enumerate(runs)
    }
    header = {"schema": 1, "study": "foresight", "command": "sweep --out /somewhere"}
    assert corpus.pack(StudyTable(tmp_path, header, rows), "dev", tmp_path) == 2
    assert [run.cell for run in corpus.load("dev", tmp_path)[1]] == [runs[0].cell, runs[2].cell]
    unpacked = tmp_path / "table.jsonl"
    unpacked.write_bytes(gzip.decompress(corpus.file("dev", tmp_path).read_bytes()))
    table = read_table(unpacked)
    assert set(table.rows) == {"0", "2"}
    assert not list(machine_paths(table.header))


def test_the_committed_dev_split_is_of_cells_that_are_drawn():
    cells = {run.cell for run in corpus.load("dev")[1]}
    assert cells <= set(draw.draw())


def test_copies_are_the_real_run_in_their_orders():
    (cell, *_) = [c for c in draw.draw(True) if c.stratum == "short" and again.is_plain(c)]
    found = again.again(corpus.Run(replace(cell, num_updates=20, relative_step=30.0), {}))
    assert any(found.copies)
    assert found.copies == found.runs


def test_runs_that_their_copies_tell_otherwise_are_found():
    (cell, *_) = [c for c in draw.draw(True) if c.stratum == "short" and again.is_plain(c)]
    said = {"moments": {"0": {"x1": {"passed": [3, 4, None]}}}}
    assert again.told_otherwise(corpus.Run(cell, said | {"touched": None}))
    assert not again.told_otherwise(corpus.Run(cell, said | {"touched": 5}))


def test_copies_are_followed_further_from_where_they_were(tmp_path):
    """Rows as the first sweeps left them, who followed copies to B, become what is swept now."""
    (cell, *_) = [
        c for c in draw.draw(True) if c.stratum == "short" and again.is_plain(c) and c.seed % 2
    ]
    cell = replace(cell, num_updates=20, relative_step=30.0)
    row = sweep.run(asdict(cell), tmp_path)
    swept = {name: said["left"] for name, said in row["moments"]["0"].items() if name != "exponent"}
    assert any(left is not None for left in swept["own"])
    for name in swept:
        said = row["moments"]["0"][name]
        del said["left"]
        said["peaks"] = [1.1 if at is not None else 0.5 for at in said["passed"]]
    table = {"a": {"key": "a", "config": asdict(cell), "row": row, "commit": "x"}}
    corpus.pack(StudyTable(tmp_path, {"schema": 1}, table), cell.split, tmp_path)
    ((_, is_same),) = further.further(cell.split, tmp_path)
    assert is_same
    (run,) = corpus.load(cell.split, tmp_path)[1]
    assert {name: run.row["moments"]["0"][name]["left"] for name in swept} == swept
    assert not list(further.further(cell.split, tmp_path))  # all is known


def test_what_the_monitor_says_of_its_calls_is_what_the_evaluation_found():
    committed = json.loads(measured_rates.TABLE.read_text(encoding="utf-8"))
    assert committed == rates.as_table()
    found = corpus.RESULTS / "evaluation.json"
    rule = json.loads(found.read_text(encoding="utf-8"))["at the limit"]["short"]
    own = measured_rates.measured()["own order"]
    assert [own.caught.count, own.caught.of] == rule["preflight in the run's own order"]["caught"]
    low, high = wilson_interval(own.caught.count, own.caught.of)
    assert (own.caught.low, own.caught.high) == pytest.approx((low, high), abs=1e-4)
