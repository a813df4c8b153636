"""The commands as people call them: real Pong, real files, the promised exit statuses."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest

from qdiverge.agents.saved_agent import load_agent
from qdiverge.cli import demo, main
from qdiverge.cli.flags import translate_flags
from qdiverge.runs import load_run

SHORT = [
    *("--num-envs", "2", "--learning-starts", "200", "--buffer-size", "1000"),
    *("--every", "5", "--max-overhead", "10", "--no-foresight"),
]


def train(out, *more):
    return main(["train", "dqn", "--out", str(out), *SHORT, *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "short"
    assert train(out, "--env", "ALE/Pong-v5", "--total-timesteps", "304", "--gamma=0.95") == 0
    return out


def test_a_run_is_logged_and_watched(trained):
    run = load_run(trained)
    assert run.info["status"] == "finished"
    assert run.info["config"]["discount"] == 0.95
    assert run.info["step_unit"] == "agent steps"
    assert run.info["versions"]["torch"]
    assert run.series["losses/td_loss"].steps[-1] <= 304
    assert run.series["diverge/soft_divergence_bound"].values[0] == pytest.approx(20.0)
    assert set(run.series["diverge/fraction_holding"].values) <= {i / 64 for i in range(65)}
    assert (trained / "report.html").stat().st_size > 10_000
    saved = load_agent(trained)
    assert (saved.step, saved.ended) == (304, "total_steps")


def test_an_n_step_run_is_held_against_the_bound_of_its_rewards(tmp_path):
    out = tmp_path / "run"
    task = ["--env", "CartPole-v1", "--hidden-sizes", "16", "--n-step", "3", "--no-clip-rewards"]
    short = ["--total-steps", "400", "--learning-starts", "100", "--every", "5"]
    arguments = [*task, *short, "--gamma", "0.9", "--buffer-size", "1000", "--cost", "full"]
    assert main(["train", "dqn", "--out", str(out), *arguments]) == 0
    run = load_run(out)
    bounds = run.series["diverge/soft_divergence_bound"].values
    assert bounds[-1] == pytest.approx(10.0)  # (1 + γ + γ²) / (1 − γ³) = 1 / (1 − γ)
    assert "diverge/spectral_radius" in run.series


def test_a_moment_of_the_run_is_inspected_with_its_frames(trained, capsys):
    assert main(["inspect", str(trained), "--transitions", "12"]) == 0
    page = trained / "moment-304.html"
    assert capsys.readouterr().out.strip() == str(page)
    text = page.read_text(encoding="utf-8")
    assert "RIGHTFIRE" in text
    assert text.count("data:image/png;base64,") > 12
    assert main(["inspect", str(trained), "--step", "3"]) == 2


def test_a_folder_that_holds_a_run_is_refused_and_kept(trained, capsys):
    files = [trained / name for name in ("events.jsonl", "report.html")]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    assert train(trained, "--total-steps", "300") == 2
    assert "holds one" in capsys.readouterr().err
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before


def test_report_of_several_runs(trained, tmp_path, capsys):
    page = tmp_path / "both.html"
    assert main(["report", str(trained), str(trained), "--out", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert "<svg" in page.read_text()


def test_an_alarm_can_stop_the_run_with_status_3(tmp_path, capsys):
    diverging = ["--no-use-target-network", "--learning-rate", "0.01", "--total-steps", "2000"]
    assert train(tmp_path / "run", *diverging, "--on-alarm", "stop") == 3
    assert "max|Q|" in capsys.readouterr().err
    run = load_run(tmp_path / "run")
    assert run.alarms
    assert run.info["status"] == "alarm"
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_what_stops_a_run_keeps_what_was_logged(name, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "qdiverge", "train", "dqn", "--out", str(out), *SHORT]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a background shell ignores it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    try:
        events, deadline = out / "events.jsonl", time.monotonic() + 600
        while not (events.exists() and events.stat().st_size > 2000):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.Signals[name])
        _, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 1
    what = "Ctrl-C" if name == "SIGINT" else name
    assert errors.strip() == f"qdiverge: stopped by {what}; all that was logged is kept."
    run = load_run(out)
    assert run.info["status"] == "interrupted"
    assert run.series["diverge/q_abs_max"].values.size > 0
    assert load_agent(out).ended == "interrupted"
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train"], "qdiverge train dqn"),
        (["train", "dpn"], "an agent was expected"),
        (["train", "dqn", "--out", "x", "--env", "ALE/Pogn-v5"], "Pong"),
        (["train", "dqn", "--out", "x", "--gamma", "1.5"], "discount must lie in"),
        (["train", "dqn", "--out", "x", "--buffer-size", "100000000000"], "fit"),
        (["report", "nowhere"], "run.json"),
        (["inspect", "nowhere"], "run.json"),
        (["export", "nowhere"], "run.json"),
        (["watch", "nowhere"], "--wait"),
        (["demo", "--seconds", "-1"], "seconds must be"),
    ],
)
def test_bad_usage_is_one_line_with_the_remedy_and_status_2(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("qdiverge: ")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_option_has_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--secnods", "3"])
    assert stop.value.code == 2
    assert "--seconds" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    for command in (["-h"], ["train", "dqn", "-h"]):
        call = [sys.executable, "-m", "qdiverge", *command]
        done = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, "")
    os.close(writing)


def test_help_names_every_command(capsys):
    assert main(["-h"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("demo", "train", "report", "watch", "export", "inspect"))
    assert main(["--version"]) == 0
    assert main([]) == 2


def test_cleanrl_names_are_translated_and_values_left_alone():
    ours = translate_flags(["--total_timesteps", "5", "--gamma=.9", "--out", "runs/gamma--x"])
    assert ours == ["--total-steps", "5", "--discount=.9", "--out", "runs/gamma--x"]


def test_the_demo_shows_both_runs_on_one_page(tmp_path, monkeypatch, capsys):
    for name, part in demo.PARTS.items():  # a moment is enough, if learning starts within it
        sooner = replace(part, config=replace(part.config, learning_starts=100, total_steps=400))
        monkeypatch.setitem(demo.PARTS, name, sooner)
    out = tmp_path / "demo"
    assert main(["demo", "--seconds", "6", "--out", str(out)]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.endswith(str(out / "report.html"))
    page = (out / "report.html").read_text()
    assert "ordinary" in page
    assert "diverging" in page
    assert not load_run(out / "ordinary").alarms
    assert load_run(out / "diverging").info["foresight"]["num"] >= 1  # copies ran ahead
    assert main(["demo", "--out", str(out)]) == 2
