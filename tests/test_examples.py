"""The scripts of examples/ do what their first line says; here they run shorter."""

import re
import runpy
from pathlib import Path

import pytest

from qdiverge.runs import load_run

FOLDER = Path(__file__).parent.parent / "examples"


def run(name, *arguments, **options):
    return runpy.run_path(str(FOLDER / f"{name}.py"))["main"](*arguments, **options)


def test_every_script_stands_in_the_table_and_is_run_here():
    scripts = {file.stem for file in FOLDER.glob("*.py")}
    listed = set(
        re.findall(r"^\| \[`(\w+)\.py`\]", (FOLDER / "README.md").read_text("utf-8"), re.M)
    )
    run_here = set(re.findall(r'run\("(\w+)"', Path(__file__).read_text("utf-8")))
    assert scripts == listed == run_here
    assert len(scripts) == 8


def test_own_loop(tmp_path):
    monitor = run("own_loop", tmp_path / "run", num_steps=150)
    assert not monitor.alarms
    assert (monitor.rule.bootstrap, monitor.rule.discount) == ("target_q", 0.95)
    assert len(load_run(tmp_path / "run").series["diverge/q_abs_max"].steps) >= 1


def test_cleanrl_atari(tmp_path):
    pytest.importorskip("ale_py")
    sizes = {"total_timesteps": 72, "learning_starts": 60, "buffer_size": 100}
    monitor = run("cleanrl_atari", tmp_path / "run", **sizes)
    assert not monitor.alarms
    assert monitor.rule.loss == "squared"
    steps = load_run(tmp_path / "run").series["diverge/q_abs_max"].steps
    assert set(steps) <= {64, 68, 72}  # agent steps
    assert len(steps) >= 1


def test_sb3(tmp_path):
    pytest.importorskip("stable_baselines3")
    monitor = run("sb3_cartpole", tmp_path / "run", total_timesteps=400)
    assert not any(alarm.kind == "loop" for alarm in monitor.alarms)
    assert monitor.rule.loss == "huber"


def test_offline_critic(tmp_path):
    monitor = run("offline_critic", tmp_path / "run", num_updates=100)
    assert [alarm.rule for alarm in monitor.alarms] == ["foreseen_divergence"]


def test_tabular():
    found = run("tabular_certificate")
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "Boyan's chain": "certified", "w and 2w": "divergent", "Baird's star": "divergent"
    }  # fmt: skip
    for verdict, factor in found.values():
        assert (factor < 1) == (verdict == "certified")


def test_preqn():
    sizes = run("preqn_without_target", num_updates=250)
    assert sizes["PreQN"] < sizes["bound"] < sizes["Adam"]


def test_audit():
    found = run("audit_bugs")
    assert found.pop("sound") == []
    expected = {
        "no_mask": "terminals_bootstrapped", "own_target": "bootstrap_differs",
        "broadcast": "broadcast", "no_stop_gradient": "no_stop_gradient",
    }  # fmt: skip
    assert {bug: codes[0] for bug, codes in found.items()} == expected


def test_sweep():
    found = run("sweep_before_training", num_updates=80)
    assert {setting for setting, ahead in found.items() if ahead.diverges} == {(3e-2, None)}
