"""The log of a run: one writer, whole lines, nothing lost while the disk is full."""

import errno
import json
import resource
import subprocess
import sys

import pytest

from qdiverge.errors import RunFolderError
from qdiverge.runs import LogMark, RunLog, load_run, read_info
from qdiverge.runs.info import write_info
from qdiverge.runs.lock import FolderLock

HOLD = """
import sys, time
from qdiverge.runs import RunLog
log = RunLog(sys.argv[1])
log.metrics(1, {"x": 1.0})
print("ready", flush=True)
time.sleep(60)
"""


def test_a_folder_has_one_writer_and_a_dead_one_holds_nothing(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(RunFolderError, match=f"process {process.pid} is writing"):
            RunLog.reopen(out)
    finally:
        process.kill()
        process.communicate()
    log = RunLog.reopen(out)
    assert load_run(out).series["x"].values.tolist() == [1.0]
    log.leave()
    assert load_run(out).info["status"] == "running"


def test_a_note_is_there_at_once(tmp_path):
    with RunLog(tmp_path / "run", {"seed": 1}) as log:
        log.note({"best": 7})
        info = load_run(log.folder).info
        assert (info["best"], info["config"], info["status"]) == (7, {"seed": 1}, "running")


@pytest.mark.parametrize("has_room", [True, False])
def test_closing_writes_what_a_full_disk_refused_or_counts_it(has_room, tmp_path):
    log = RunLog(tmp_path / "run")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        with pytest.warns(UserWarning, match="cannot be written"):
            log.metrics(1, {"x": 1.0})
        log.metrics(2, {"x": 2.0})
        if has_room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log._events.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    series = load_run(tmp_path / "run").series
    assert (series["x"].steps.tolist() if has_room else series) == ([1, 2] if has_room else {})
    log.leave()


def test_a_log_that_could_not_begin_holds_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "an error of the disk")

    with monkeypatch.context() as patch, pytest.raises(RunFolderError) as refused:
        patch.setattr("qdiverge.runs.log.write_info", fail)
        RunLog(tmp_path / "run", {"discount": 0.5})
    RunLog(tmp_path / "run", {"discount": 0.9}).close()
    assert load_run(tmp_path / "run").info["config"] == {"discount": 0.9}
    del refused  # it held the log that did not begin


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("missing", ["the system's", "the file system's"])
def test_where_there_are_no_locks_a_run_is_written_without(missing, tmp_path, monkeypatch):
    if missing == "the system's":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", no_locks)
    with RunLog(tmp_path / "run") as log:
        log.metrics(1, {"x": 1.0})
    assert load_run(tmp_path / "run").series["x"].values.tolist() == [1.0]


def test_the_folders_above_a_run_are_made(tmp_path):
    RunLog(tmp_path / "a" / "b").close()
    assert load_run(tmp_path / "a" / "b").info["status"] == "finished"


def test_whoever_comes_between_keeps_the_folder(tmp_path, monkeypatch):
    def lock(folder):
        write_info(folder, {"schema": 1, "seed": "theirs"})
        return FolderLock(folder)

    monkeypatch.setattr("qdiverge.runs.log.FolderLock", lock)
    with pytest.raises(RunFolderError, match="holds one"):
        RunLog(tmp_path / "run", {"seed": "ours"})
    assert read_info(tmp_path / "run")["seed"] == "theirs"


def test_going_on_cuts_the_log_back_and_says_since_when(tmp_path):
    with RunLog(tmp_path / "run", {"seed": 1}) as log:
        log.metrics(1, {"x": 1.0})
        log.arrays("kernel", 1, {})
        mark = log.sync()
        log.metrics(2, {"x": 2.0})
        log.arrays("kernel", 2, {})
    with (tmp_path / "run" / "events.jsonl").open("a") as file:
        file.write('{"torn')
    log = RunLog.reopen(tmp_path / "run")
    log.rewind(LogMark(mark.position, seconds=100.0), 1, {"seed": 1, "more": True})
    assert load_run(tmp_path / "run").info["status"] == "running"
    log.metrics(3, {"x": 3.0})
    log.close()
    run = load_run(tmp_path / "run")
    assert run.series["x"].steps.tolist() == [1, 3]
    assert [step for step, _ in run.arrays("kernel")] == [1]
    assert run.info["config"]["more"]
    assert run.info["seconds"] >= 100.0
    (resumed,) = run.info["resumed"]
    assert resumed["step"] == 1
    assert {"commit", "versions", "started"} < resumed.keys()


def test_a_log_that_lost_its_end_is_cut_to_whole_lines_with_a_warning(tmp_path):
    log = RunLog(tmp_path / "run")
    log.metrics(1, {"x": 1.0})
    log.metrics(2, {"x": 2.0})
    mark = log.sync()
    log.close()
    path = tmp_path / "run" / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    log = RunLog.reopen(tmp_path / "run")
    with pytest.warns(UserWarning, match="has lost 5 of its first"):
        log.rewind(mark, 2, {})
    log.close()
    assert load_run(tmp_path / "run").series["x"].steps.tolist() == [1]
    assert path.read_text().count("\n") == 1
    assert path.read_text().endswith("}\n")


def test_what_a_full_disk_refuses_is_kept_until_there_is_room(tmp_path):
    log = RunLog(tmp_path / "run")
    log.metrics(1, {"x": 1.0})
    path = tmp_path / "run" / "events.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
        with pytest.warns(UserWarning, match="training goes on") as seen:
            log.metrics(2, {"x": 2.0})
            log.metrics(3, {"x": 3.0})
        assert len(seen) == 1
        assert len(path.read_bytes().splitlines()) == 2  # the second is torn
        with pytest.raises(OSError, match="File too large"):
            log.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.metrics(4, {"x": 4.0})
    log.close()
    assert [json.loads(line)["x"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


class Told:
    """A sink that writes down what it is told."""

    def __init__(self):
        self.calls = []

    def start(self, folder, info):
        self.calls.append(("start", folder, info["config"]))

    def metrics(self, step, values):
        self.calls.append(("metrics", step, dict(values)))

    def alarm(self, alarm):
        self.calls.append(("alarm", alarm.step, alarm.update, alarm.rule, alarm.message))

    def close(self, status):
        self.calls.append(("close", status))


def test_a_sink_is_told_everything_in_order_and_from_where_a_run_goes_on(tmp_path):
    first, second = Told(), Told()
    with RunLog(tmp_path / "run", {"seed": 1}, sinks=[first]) as log:
        log.metrics(1, {"x": 1.0})
        mark = log.sync()
        log.alarm(2, 1, "rule", "message")
    told = [("start", log.folder, {"seed": 1}), ("metrics", 1, {"x": 1.0})]
    assert first.calls == [*told, ("alarm", 2, 1, "rule", "message"), ("close", "finished")]
    log = RunLog.reopen(tmp_path / "run")
    log.rewind(mark, 1, {"seed": 2}, [second])
    log.metrics(3, {"x": 3.0})
    log.close("interrupted")
    log.close()
    told = [("start", log.folder, {"seed": 2}), ("metrics", 3, {"x": 3.0})]
    assert second.calls == [*told, ("close", "interrupted")]
    assert len(first.calls) == 4
