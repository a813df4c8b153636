"""Ctrl-C, SIGTERM and SIGHUP end a run where it can be saved, also when its terminal is gone."""

import os
import pty
import select
import signal
import sys
import threading
import time

import pytest

from qdiverge.agents.saved_agent import load_agent
from qdiverge.cli.interrupt import STOPPING, calling_at_stop, interrupt
from qdiverge.runs import load_run

SHORT = ["--env", "CartPole-v1", "--hidden-sizes", "8", "--learning-starts", "50"]
WHAT = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}


@pytest.fixture(autouse=True)
def _hears_hang_ups():
    """Under nohup they are ignored, which is respected."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", STOPPING)
def test_the_first_signal_is_told_and_others_than_ctrl_c_are_ignored_then(name):
    told, numbers = [], [signal.Signals[each] for each in STOPPING]
    before = [signal.getsignal(number) for number in numbers]
    with calling_at_stop(told.append):
        signal.raise_signal(signal.Signals[name])
        for each in ("SIGTERM", "SIGHUP"):
            signal.raise_signal(signal.Signals[each])
        assert signal.getsignal(signal.SIGINT) == before[0]
    assert told == [WHAT[name]]
    assert [signal.getsignal(number) for number in numbers] == before


def test_what_is_ignored_stays_ignored_but_for_ctrl_c():
    told, before = [], [signal.signal(signal.Signals[name], signal.SIG_IGN) for name in STOPPING]
    try:
        with calling_at_stop(told.append):
            for name in ("SIGTERM", "SIGHUP", "SIGINT"):
                signal.raise_signal(signal.Signals[name])
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for name, action in zip(STOPPING, before, strict=True):
            signal.signal(signal.Signals[name], action)
    assert told == ["Ctrl-C"]


def test_within_another_it_is_the_inner_one_that_is_told():
    told = []
    with pytest.raises(KeyboardInterrupt, match="SIGHUP"), calling_at_stop(interrupt, ["SIGHUP"]):
        with calling_at_stop(told.append):
            signal.raise_signal(signal.SIGHUP)
        assert told == ["SIGHUP"]
        signal.raise_signal(signal.SIGHUP)


def test_in_another_thread_nothing_is_changed():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def enter():
        with calling_at_stop(interrupt):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_run_whose_terminal_goes_away_is_saved(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "qdiverge", "train", "dqn", "--out", str(out), *SHORT]
    pid, terminal = pty.fork()  # its own session, of which this is the terminal
    if pid == 0:
        os.execve(command[0], command, os.environ | {"TERM": "xterm", "COLUMNS": "80"})
    events, deadline = out / "events.jsonl", time.monotonic() + 250
    try:
        while not (events.exists() and events.stat().st_size > 2000):
            assert time.monotonic() < deadline
            if select.select([terminal], [], [], 0.1)[0]:
                os.read(terminal, 4096)
    finally:
        os.close(terminal)  # the system sends SIGHUP, and what is printed now is an error
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    run = load_run(out)
    assert run.info["status"] == "interrupted"
    assert load_agent(out).ended == "interrupted"
    assert (out / "report.html").exists()
