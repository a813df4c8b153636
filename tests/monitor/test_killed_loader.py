"""A watched loop with DataLoader workers, killed at random, is the loop that was never killed."""

import signal

import pytest

from qdiverge.runs import load_run
from tests.kills import complete, forked, kill_amid
from tests.monitor.loader_loop import train
from tests.same_run import assert_same_run, is_over

pytestmark = pytest.mark.slow
NUM_EPOCHS, TIMES = 45, 30


def test_killed_or_robbed_of_a_worker_at_random_it_becomes_the_loop_that_never_was(tmp_path):
    whole, killed, log = tmp_path / "whole", tmp_path / "killed", tmp_path / "log.txt"
    done = forked(train, whole, NUM_EPOCHS, log=log)
    done.join()
    assert done.exitcode == 0, log.read_text()
    kills = {"loop": 0, "worker": 0}

    while sum(kills.values()) < TIMES and not is_over(killed):
        before = complete(killed)
        process = forked(train, killed, NUM_EPOCHS, log=log)  # also while orphans live
        is_worker = sum(kills.values()) % 3 == 2
        kills["worker" if is_worker else "loop"] += kill_amid(process, killed, by_child=is_worker)
        assert process.exitcode in (0, 1 if is_worker else -signal.SIGKILL), log.read_text()
        if process.exitcode == 1:
            assert "DataLoader worker" in log.read_text()
        assert max(complete(killed), default=0) >= max(before, default=0)
    last = forked(train, killed, NUM_EPOCHS, log=log)
    last.join()
    assert last.exitcode == 0, log.read_text()
    assert sum(kills.values()) > TIMES // 2
    assert_same_run(killed, whole)
    assert len(load_run(killed).info["resumed"]) >= sum(kills.values())
    print(kills)
