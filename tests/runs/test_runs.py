"""What is written can be read: also NaN, also after a crash in the middle of a line."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from qdiverge.errors import RunFolderError
from qdiverge.runs import RunLog, load_run, provenance, read_events
from qdiverge.runs.alarm import read_alarm
from qdiverge.runs.info import write_info


@pytest.fixture
def log(tmp_path):
    with RunLog(tmp_path / "run", {"discount": 0.99}, step_unit="agent steps") as log:
        yield log


def test_a_run_reads_back_as_written(log):
    log.metrics(1, {"diverge/q_max": 0.5, "diverge/q_min": float("-inf")})
    log.metrics(7, {"diverge/q_max": float("nan")})
    log.alarm(7, 3, "not_finite", "Q is not a number.")
    run = load_run(log.folder)
    assert run.series["diverge/q_max"].steps.tolist() == [1, 7]
    np.testing.assert_array_equal(run.series["diverge/q_max"].values, [0.5, np.nan])
    assert run.series["diverge/q_min"].values.tolist() == [-np.inf]
    assert (run.alarms[0].step, run.alarms[0].update, run.alarms[0].rule) == (7, 3, "not_finite")
    assert run.info["config"] == {"discount": 0.99}
    assert "time" not in run.series


def test_the_hardware_says_what_the_processor_can_do(log):
    hardware = load_run(log.folder).info["hardware"]
    assert hardware.endswith(f" cores, {torch.backends.cpu.get_cpu_capability()}")


def test_every_line_is_standard_json(log):
    log.metrics(1, {"x": float("nan"), "y": float("inf"), "z": 3})
    line = (log.folder / "events.jsonl").read_text()
    entry = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (entry["x"], entry["y"], entry["z"]) == ("nan", "inf", 3)


def test_a_torn_last_line_is_dropped(log):
    log.metrics(1, {"x": 1.0})
    with (log.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "metrics", "step": 2, "x')
    assert load_run(log.folder).series["x"].steps.tolist() == [1]


def test_a_torn_line_in_the_middle_is_named_and_the_others_are_read(log):
    with (log.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "met\n')
    log.metrics(1, {"x": 1.0})
    run = load_run(log.folder)
    assert run.series["x"].values.tolist() == [1.0]
    (damage,) = run.damage
    assert damage.startswith("Line 1 of events.jsonl is not what was written, and is left out")
    with pytest.warns(UserWarning, match=r"Line 1 of events\.jsonl"):
        assert [entry["x"] for entry in read_events(log.folder)] == [1.0]


def test_arrays_come_back_in_order_of_steps(log):
    for step in (20, 3):
        log.arrays("kernel", step, {"kernel": np.eye(2) * step})
    assert [step for step, _ in load_run(log.folder).arrays("kernel")] == [3, 20]
    assert load_run(log.folder).arrays("kernel")[0][1]["kernel"][1, 1] == 3


def test_reading_arrays_runs_no_code_that_lies_in_them(log):
    log.arrays("kernel", 1, {"kernel": np.eye(2)})
    np.savez(log.folder / "arrays" / "kernel-0000000002.npz", kernel=np.array([Fraction(1, 2)]))
    with pytest.warns(UserWarning, match=r"kernel-0000000002.*allow_pickle=False"):
        saved = load_run(log.folder).arrays("kernel")
    assert [step for step, _ in saved] == [1]


def test_arrays_are_written_without_code(log):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        log.arrays("kernel", 1, {"kernel": np.array([Fraction(1, 2)])})
    assert load_run(log.folder).arrays("kernel") == []


def test_arrays_that_cannot_be_written_are_a_warning_and_counted(tmp_path):
    with RunLog(tmp_path / "run") as log:
        (log.folder / "arrays").write_text("in the way")
        with pytest.warns(UserWarning, match=r"arrays/.* cannot be written .*without such arrays"):
            assert log.arrays("kernel", 1, {"kernel": np.eye(2)}) is None
    assert load_run(log.folder).info["lost_writes"] == 1


def test_the_status_tells_how_the_run_ended(tmp_path):
    with RunLog(tmp_path / "whole") as log:
        assert load_run(log.folder).info["status"] == "running"
    assert load_run(log.folder).info["status"] == "finished"
    with pytest.raises(KeyboardInterrupt), RunLog(tmp_path / "cut") as log:
        log.metrics(1, {"x": 1.0})
        raise KeyboardInterrupt
    run = load_run(log.folder)
    assert run.info["status"] == "interrupted"
    assert run.series["x"].values.tolist() == [1.0]


def test_a_folder_with_a_run_is_refused_and_kept(log):
    log.metrics(1, {"x": 1.0})
    with pytest.raises(RunFolderError, match="holds one"):
        RunLog(log.folder)
    assert load_run(log.folder).series["x"].values.tolist() == [1.0]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Choose another"):
        RunLog(tmp_path / "file")


def test_no_run_and_a_newer_schema_are_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"run\.json"):
        load_run(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RunFolderError, match="schema 99"):
        load_run(tmp_path)


def test_what_is_no_json_leaves_the_run_as_it_was(log):
    before = load_run(log.folder).info
    with pytest.raises(ValueError, match="JSON"):
        write_info(log.folder, before | {"largest": float("nan")})
    assert load_run(log.folder).info == before
    assert not list(log.folder.glob("*.tmp"))


def test_without_git_the_commit_is_unknown(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert provenance()["commit"] is None


def test_the_command_is_one_that_can_be_typed(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/some/where/experiments/__main__.py", "run", "a b"])
    assert provenance()["command"] == "python -m experiments run 'a b'"
    monkeypatch.setattr("sys.argv", ["/usr/bin/qdiverge", "watch", "runs/x"])
    assert provenance()["command"] == "qdiverge watch runs/x"


def test_an_alarm_has_its_class_and_evidence_and_old_lines_are_read_by_their_rule(tmp_path):
    with RunLog(tmp_path / "run") as log:
        log.alarm(7, 3, "discount_differs", "γ differs", "loop", {"shown": 0.9, "hint": math.inf})
    (alarm,) = load_run(tmp_path / "run").alarms
    assert (alarm.kind, alarm.evidence) == ("loop", {"shown": 0.9, "hint": "inf"})
    lines = [{"step": 1, "update": 1, "rule": r, "message": ""} for r in ("srank", "rank_collapse")]
    assert [read_alarm(line).kind for line in lines] == ["divergence", "condition"]
