"""A sweep whose processes are killed at random ends with the table of one that was left alone."""

import os
import random
import signal
import time

import pytest

from qdiverge.runs.table import read_table
from tests.kills import PATIENCE, forked
from tests.same_run import assert_same_run, is_over

STUDY = "tests.experiments.killed_study"
OPTIONS = ["--workers", "2", "--retries", "100"]


def sweep(root):
    from experiments.sweep.command import main

    return main([STUDY, "--out", str(root), "--resume", *OPTIONS])


def runs(root):
    return [folder / "run" for folder in sorted((root / "cells").iterdir())]


def at_work(root):
    """The processes of cells that are not finished and have a checkpoint."""
    if not (root / "cells").exists():
        return []
    folders = [run.parent for run in runs(root) if any((run / "checkpoints").glob("[0-9]*"))]
    open_ = [folder for folder in folders if not (folder / "result.json").exists()]
    return [int((folder / "pid").read_text() or 0) for folder in open_]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait(look, process):
    deadline = time.monotonic() + PATIENCE
    while process.is_alive() and not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_sweep_killed_at_random_becomes_the_one_that_was_left_alone(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = forked(sweep, whole, log=tmp_path / "whole.log")
    done.join(PATIENCE)
    assert done.exitcode == 0, (tmp_path / "whole.log").read_text()
    kills = {"worker": 0, "sweep": 0}
    for number in range(3):
        process = forked(sweep, killed, log=tmp_path / "killed.log")
        for _ in range(6):
            wait(lambda: any(map(is_alive, at_work(killed))), process)
            time.sleep(random.uniform(0.0, 0.5))
            alive = [pid for pid in at_work(killed) if is_alive(pid)]
            if alive and process.is_alive():
                os.kill(random.choice(alive), signal.SIGKILL)
                kills["worker"] += 1
        if number < 2:
            kills["sweep"] += process.is_alive()
            os.kill(process.pid, signal.SIGKILL)
        process.join(PATIENCE)
        left = [pid for pid in at_work(killed) if pid]
        wait_until = time.monotonic() + 60
        while any(map(is_alive, left)) and time.monotonic() < wait_until:
            time.sleep(0.05)  # the workers of a sweep that was killed end by themselves
    assert process.exitcode == 0, (tmp_path / "killed.log").read_text()
    rows = [read_table(root / "table.jsonl").rows for root in (whole, killed)]
    assert rows[0].keys() == rows[1].keys()
    for key, row in rows[0].items():
        assert rows[1][key]["row"] == row["row"]
    for ours, theirs in zip(runs(killed), runs(whole), strict=True):
        assert is_over(ours)
        assert_same_run(ours, theirs, except_for=("learning.json",))
    assert sum(kills.values()) > 10
    print(kills)
