"""The live page of a run, as another process sees it."""

import json
import math
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from qdiverge.cli import main
from qdiverge.report.follow import MOST_POINTS, Follower, History
from qdiverge.report.terminal import terminal_page
from qdiverge.runs import RunLog
from tests.report.synthetic import write_run


def event(step, seconds, **values):
    return json.dumps({"kind": "metrics", "step": step, "time": seconds} | values) + "\n"


@pytest.fixture
def running(tmp_path):
    """A run of 1,000 steps, 10 a second, that is under way at 400."""
    log = RunLog(tmp_path / "run", {"total_steps": 1000}, step_unit="agent steps")
    log.leave()
    lines = [event(step, step / 10, **{"diverge/q_abs_max": step}) for step in range(0, 401, 20)]
    (tmp_path / "run" / "events.jsonl").write_text("".join(lines))
    follower = Follower(tmp_path / "run")
    follower.refresh()
    return follower


def shown(followers, width=80, height=None):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(terminal_page(followers, width, height))
    return console.export_text()


def test_pace_and_what_remains_are_those_of_the_last_minute(running):
    assert running.pace == pytest.approx(10.0)
    assert running.remaining == pytest.approx(60.0)
    assert "400 of 1,000 agent steps" in shown([running])
    assert "ETA 1 min 00 s · 10 steps/s" in shown([running])


def test_a_resumed_run_begins_anew_at_its_checkpoint(running):
    path = running.folder / "events.jsonl"
    kept = path.read_text().splitlines(keepends=True)[:6]
    path.write_text("".join([*kept, event(110, 50.0, x=1.0), event(130, 52.0, x=2.0)]))
    running.refresh()
    assert running.step == 130
    assert running.histories["diverge/q_abs_max"].values == [0, 20, 40, 60, 80, 100]


def test_a_history_stays_small_and_keeps_its_peaks():
    history = History()
    for t in range(100_000):
        history.add(math.nan if t == 5 else 9.0 if t == 70_001 else 1.0)
    assert len(history.values) <= 2 * MOST_POINTS
    assert max(v for v in history.values if v == v) == 9.0
    assert sum(v != v for v in history.values) == 1


@pytest.mark.parametrize(("count", "width", "height"), [(1, 80, 23), (3, 80, 23), (1, 40, 10)])
def test_the_page_fits_the_window(tmp_path, count, width, height):
    story = {"growth": 0.05, "num_steps": 300, "alarm_at": 60, "dies_at": 285, "kernels": False}
    followers = [Follower(write_run(tmp_path / f"run-{k}", **story)) for k in range(count)]
    for follower in followers:
        follower.refresh()
    lines = shown(followers, width, height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert all(f"run-{k}" in text for k in range(count))
    assert "DIVERGED: " in text


def test_a_page_tells_the_alarm_with_its_time_and_the_curves(tmp_path, capsys):
    run = write_run(tmp_path / "run", growth=0.05, num_steps=300, alarm_at=60, dies_at=285)
    assert main(["watch", str(run)]) == 0  # no terminal: a plain page, once
    text = capsys.readouterr().out
    assert "✓ finished" in text
    assert "▲ step 3,000, after 0 s, exponential growth" not in text  # only the newest three
    assert "soft divergence: max |Q| has doubled" in text
    curve = next(line for line in text.splitlines() if line.startswith("max|Q|"))
    assert "NaN" in curve
    assert curve.rstrip().endswith("×")
    assert "\x1b" not in text


def test_watching_nothing_is_bad_usage(tmp_path, capsys):
    assert main(["watch", str(tmp_path)]) == 2
    assert "--wait" in capsys.readouterr().err


def read_until(terminal, text, deadline):
    seen = b""
    while text not in seen:
        assert time.monotonic() < deadline, seen
        seen += os.read(terminal, 4096)
    return seen


def test_on_a_terminal_it_waits_follows_and_leaves_quietly_at_ctrl_c(tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "qdiverge", "watch", "--wait", str(tmp_path / "run")]
    environment = os.environ | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    process = subprocess.Popen(
        [*command, "--refresh", "0.1"], stdin=theirs, stdout=theirs, stderr=theirs,
        env=environment, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    try:
        read_until(ours, b"Waiting for a run", deadline)
        log = RunLog(tmp_path / "run")
        log.metrics(7_777, {"diverge/q_abs_max": 1.0, "diverge/soft_divergence_bound": 100.0})
        assert b"?1049h" not in read_until(ours, b"updates 7,777", deadline)  # no second screen
        log.metrics(8_888, {"losses/td_loss": 1.0})
        read_until(ours, b"updates 8,888", deadline)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        log.close()
    finally:
        process.kill()
        os.close(theirs)
        os.close(ours)


def test_it_ends_when_the_run_has(tmp_path):
    run = write_run(tmp_path / "run", num_steps=20, kernels=False)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "qdiverge", "watch", str(run)], stdout=theirs, stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    try:
        read_until(ours, "✓ finished".encode(), time.monotonic() + 60)
        assert process.wait(30) == 0
    finally:
        process.kill()
        os.close(theirs)
        os.close(ours)


def test_what_audits_found_has_a_line_and_is_no_alarm(running):
    audit = {"num_audits": 40, "num_undecided": 0, "trains": "Huber's loss, γ = 0.99"}
    running.info |= {"audit": audit}
    text = shown([running])
    assert "loop: Audited 40 updates, nothing found. It trains: Huber's loss, γ = 0.99." in text
    line = {"kind": "alarm", "class": "loop", "step": 400, "time": 40.0, "update": 1}
    line |= {"rule": "broadcast", "message": "Every Q is pulled to every target."}
    with (running.folder / "events.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    running.refresh()
    running.info |= {"audit": audit}
    text = shown([running], width=120)
    assert "LOOP: max|Q| 400" in text
    assert "loop: Audited 40 updates, 1 found." in text
    assert "◆ step 400, after 40 s, broadcast: Every Q is pulled to every target." in text
