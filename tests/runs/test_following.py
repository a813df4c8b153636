"""Following a run that another process writes."""

import json
import os
import subprocess
import sys

import pytest

from qdiverge.runs import RunLog, Tail, load_run, status_of
from qdiverge.runs.process import is_alive, own_process


def line(step, **more):
    return json.dumps({"kind": "metrics", "step": step, "time": float(step)} | more) + "\n"


def steps(entries):
    return [entry["step"] for entry in entries]


def test_each_whole_line_is_read_once_and_a_torn_one_when_it_is_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    tail = Tail(path)
    assert tail.read() == ([], False)
    path.write_text(line(1) + line(2) + line(3)[:9])
    assert steps(tail.read()[0]) == [1, 2]
    assert tail.has_torn_line
    with path.open("a") as file:
        file.write(line(3)[9:] + line(4))
    entries, is_anew = tail.read()
    assert (steps(entries), is_anew, tail.has_torn_line) == ([3, 4], False, False)
    assert tail.read() == ([], False)


@pytest.mark.parametrize("more", [0, 50], ids=["shorter", "longer"])
def test_a_file_that_was_cut_and_gone_on_with_is_read_anew(tmp_path, more):
    path = tmp_path / "events.jsonl"
    path.write_text("".join(line(step, first=True) for step in range(20)))
    tail = Tail(path)
    tail.read()
    kept = "".join(line(step, first=True) for step in range(10))
    path.write_text(kept + "".join(line(step) for step in range(10, 11 + more)))
    entries, is_anew = tail.read()
    assert is_anew
    assert steps(entries) == list(range(11 + more))


def test_a_line_that_is_no_event_is_passed_over(tmp_path):
    (tmp_path / "x").write_text(line(1) + "\0\0\n[1]\n" + line(2))
    assert steps(Tail(tmp_path / "x").read()[0]) == [1, 2]


def test_a_process_that_ended_is_gone_and_a_number_used_again_is_another():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = own_process() | {"pid": process.pid, "began": None}
    assert is_alive(record) is True
    process.communicate(b"\n")
    assert is_alive(record) is False
    if own_process()["began"] is not None:
        assert is_alive(own_process() | {"began": -1}) is False
    assert is_alive(own_process() | {"host": "another"}) is None
    for unknown in (None, {"pid": 1}, {"host": own_process()["host"]}):
        assert is_alive(unknown) is None
    for pid in ("one", None, 10**30):
        assert is_alive(own_process() | {"pid": pid}) is None


def test_a_run_that_was_killed_is_called_crashed(tmp_path):
    code = f"""
import os
from qdiverge.runs import RunLog
log = RunLog({str(tmp_path / "run")!r})
log.metrics(1, {{"x": 1.0}})
print("written", flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=os.getcwd()
    )
    assert process.stdout.readline() == b"written\n"
    assert status_of(load_run(tmp_path / "run").info) == "running"
    process.kill()
    process.communicate()
    with (tmp_path / "run" / "events.jsonl").open("a") as file:
        file.write('{"kind": "met')
    run = load_run(tmp_path / "run")
    assert status_of(run.info) == "crashed"
    assert run.is_torn
    assert run.series["x"].values.tolist() == [1.0]


def test_syncs_are_read(tmp_path):
    with RunLog(tmp_path / "run") as log:
        log.target_sync(40, 10)
    run = load_run(tmp_path / "run")
    assert [(sync.step, sync.update) for sync in run.syncs] == [(40, 10)]
    assert not run.is_torn


def test_a_long_log_is_followed_a_piece_at_a_time(tmp_path):
    with RunLog(tmp_path / "run", {}) as log:
        for step in range(3_000):
            log.metrics(step, {"x": 1.0})
    pieces = list(Tail(tmp_path / "run" / "events.jsonl").pieces())
    steps = [entry["step"] for entries, _ in pieces for entry in entries]
    assert steps == list(range(3_000))
    assert max(len(entries) for entries, _ in pieces) < 1_500  # no more is in memory at once
    assert not any(is_anew for _, is_anew in pieces)
