"""However much of a folder is damaged, a person is told in a few lines."""

import csv
from pathlib import Path

from qdiverge.report.run_page import _distinct
from qdiverge.runs import Run
from tests.runs.hostile.attacks import CONTROLS
from tests.runs.hostile.genuine import add_line, change_info, genuine_run
from tests.runs.hostile.test_hostile import CONTROL, told

MANY = 300
LONG = 20_000  # characters: more than any command has to say of this run


def test_many_arrays_that_are_damaged_are_named_by_a_few(tmp_path):
    run = genuine_run(tmp_path)
    for step in range(1_000, 1_000 + MANY):
        (run / f"arrays/kernel-{step:010d}.npz").write_bytes(b"x")
    status, text = told("report", run)
    assert status == 0
    assert len(text) < LONG
    assert f"And {MANY - 5} more of this kind." in text


def test_many_checkpoints_that_are_none_are_named_by_a_few(tmp_path):
    run = genuine_run(tmp_path)
    for step in range(1_000, 1_000 + MANY):
        (run / f"checkpoints/{step}").mkdir()
    for name in ("diagnose", "evaluate", "resume"):
        status, text = told(name, run)
        assert status in (0, 3), text
        assert len(text) < LONG
        assert f"And {MANY - 5} more of this kind." in text


def test_where_every_checkpoint_is_damaged_the_error_is_short(tmp_path):
    run = genuine_run(tmp_path)
    for step in range(1_000, 1_000 + MANY):
        (run / f"checkpoints/{step}").mkdir()
    for folder in (run / "checkpoints").iterdir():
        (folder / "manifest.json").write_bytes(b"")
    status, text = told("resume", run)
    assert (status, len(text) < LONG) == (2, True)


def test_names_are_as_long_as_a_person_reads_and_a_table_holds_no_control_characters(tmp_path):
    run = genuine_run(tmp_path)
    change_info(run, name="x" * 100_000)
    for number in range(MANY):
        add_line(run, **{f"{CONTROLS}{number}": 1.0, f"{number}{'y' * 1_000}": 2.0})
    for name, more in (("diagnose", ()), ("watch", ()), ("export", ("--metrics", "none*"))):
        _, text = told(name, run, *more)
        assert len(text) < LONG, name
    for layout in ("--wide", "--long"):
        assert told("export", run, layout)[0] == 0
        text = (run / "metrics.csv").read_text(encoding="utf-8")
        assert not CONTROL.search(text.replace("\r\n", "\n"))
        rows = list(csv.reader(text.splitlines()))
        assert {len(row) for row in rows} == {len(rows[0])}


def test_no_run_of_a_report_poses_as_another():
    names = ["x", "x (1)", "x", "y" * 300, "y" * 299, "x (3)", "x"]
    runs = _distinct([Run(Path(), {"name": name}, {}, ()) for name in names])
    told = [run.name for run in runs]
    assert told[:3] == ["x (2)", "x (1)", "x (4)"]
    assert len(set(told)) == len(names)
