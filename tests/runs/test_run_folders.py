"""Runs are found by name, in a folder of runs, or where runs usually are."""

import os
from pathlib import Path

import pytest

from qdiverge import RunFolderError
from qdiverge.cli import main
from qdiverge.runs import RunLog, find_runs


@pytest.fixture
def runs(tmp_path):
    """Make two runs in runs/, the first of which wrote last."""
    (tmp_path / "runs").mkdir()
    for age, name in enumerate(["one", "two"]):
        folder = tmp_path / "runs" / name
        with RunLog(folder, {"discount": 0.9}) as log:
            log.metrics(1, {"diverge/q_abs_max": 1.0})
        os.utime(folder / "events.jsonl", (1e9 - age, 1e9 - age))
    return tmp_path / "runs"


def test_a_folder_of_runs_is_its_runs_by_name(runs):
    assert find_runs([runs]) == [runs / "one", runs / "two"]
    assert find_runs([runs / "two", runs]) == [runs / "two", runs / "one", runs / "two"]


def test_without_a_name_it_is_the_newest_run(runs, monkeypatch):
    monkeypatch.chdir(runs.parent)
    assert find_runs([]) == [Path("runs/one")]
    monkeypatch.chdir(runs)
    assert find_runs([]) == [Path("one")]
    monkeypatch.chdir(runs / "two")
    assert find_runs([]) == [Path()]


def test_no_run_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunFolderError, match=r"none in \./runs or here"):
        find_runs([])
    with pytest.raises(RunFolderError, match=r"run\.json"):
        find_runs([tmp_path / "nothing"])


def test_the_commands_take_either(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs.parent)
    assert main(["report"]) == 0
    assert main(["report", "runs"]) == 0
    assert (runs / "one/report.html").exists()
    assert "two" in (runs / "report.html").read_text()
    capsys.readouterr()
    assert main(["watch", "runs", "--once"]) == 0
    assert {"one", "two"} <= set(capsys.readouterr().out.replace("─", " ").split())
