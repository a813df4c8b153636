"""A sweep's folder is a stranger's letter, too: nothing leads out, and damage is passed over."""

import os

import pytest

from experiments.sweep.command import main
from experiments.sweep.sweep import cells_of
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import append_row, begin_table, read_table
from tests.experiments import tiny_study
from tests.experiments.test_sweep import STUDY, squares, swept
from tests.runs.hostile.canaries import Outside

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="attacks are a Unix's")
DAMAGED = (
    *(b"5", b"[]", b'"x"', b"null", b"{}", b'{"key": 5, "config": {}, "row": {}}', b"\xff\xfe"),
    *(b'{"key": "a", "config": [], "row": {}}', b'{"key": "a", "key": "b"}', b"[" * 100_000),
    *(b'{"key": ["a"], "config": {}, "row": {}}', b'{"key": "a", "row": 1e999}', b"\0" * 9),
)


@pytest.mark.parametrize("line", DAMAGED)
def test_a_line_that_is_no_row_is_passed_over_and_as_a_header_refused(line, tmp_path):
    path = tmp_path / "t.jsonl"
    begin_table(path, {"study": "x"})
    with path.open("ab") as file:
        file.write(line + b"\n")
    append_row(path, {"key": "c", "config": {}, "row": {"y": float("nan")}})
    assert list(read_table(path).rows) == ["c"]
    path.write_bytes(line + b"\n")
    with pytest.raises(RunFolderError, match="this version reads tables of schema 1"):
        read_table(path)


@pytest.fixture
def of_two(monkeypatch):
    monkeypatch.setattr(tiny_study, "cells", lambda is_full: squares([2, 3]))
    monkeypatch.setattr("experiments.sweep.sweep.LOOK", 0.05)


def gone_on_with(root):
    return main([STUDY, "--resume", "--workers", "1", "--retries", "0", "--out", str(root)])


def begun(root):
    """A sweep of two cells of which one is finished, and the other's folder."""
    swept(root, squares([2]))
    _, cell = cells_of(STUDY, squares([2, 3]), root)
    cell.prepare()
    return cell


def link(at, to):
    if at.is_dir():
        at.rename(at.with_name("moved"))
    at.unlink(missing_ok=True)
    at.symlink_to(to)


LINKS = ["table.jsonl", "lock", "cells", "CELL", "CELL/log.txt", "CELL/result.json"]
LINKS += ["CELL/config.json", "CELL/heartbeat", "CELL/failure.json"]


@pytest.mark.parametrize("name", LINKS)
def test_no_link_in_a_sweep_leads_out_of_it(name, tmp_path, of_two):
    root = tmp_path / "sweep"
    cell, outside = begun(root), Outside(tmp_path / "outside")
    at = root / name.replace("CELL", f"cells/{cell.key}")
    is_folder = name in ("cells", "CELL")
    link(at, outside.folder / ("inner" if is_folder else "secret.json"))
    status = gone_on_with(root)
    assert status in (0, 1, 2)
    assert outside.touched() == []
    if name in ("CELL/config.json", "CELL/heartbeat", "CELL/failure.json"):  # written anew
        assert status == 0


@pytest.mark.parametrize("name", ["table.jsonl", "lock", "CELL/result.json", "CELL/log.txt"])
def test_what_is_no_file_hangs_no_sweep(name, tmp_path, of_two):
    cell = begun(tmp_path)
    at = tmp_path / name.replace("CELL", f"cells/{cell.key}")
    at.unlink(missing_ok=True)
    os.mkfifo(at)
    assert gone_on_with(tmp_path) in (0, 1, 2)


@pytest.mark.parametrize("content", [b"5", b"\xff", b"[" * 100_000, b'{"key": "other", "row": {}}'])
def test_a_result_that_is_none_is_made_again(content, tmp_path):
    cell = begun(tmp_path)
    (cell.folder / "result.json").write_bytes(content)
    assert cell.result() is None
    sweep, _ = swept(tmp_path, squares([2, 3]))
    assert sorted(row["square"] for row in read_table(sweep.table).records()) == [4, 9]


def test_a_failure_with_markup_and_control_characters_is_said_as_text(
    tmp_path, monkeypatch, capsys
):
    config = {"do": "raise", "x": 1, "says": "no [/such] [bold]luck\x1b[2J"}
    monkeypatch.setattr(tiny_study, "cells", lambda is_full: [config])
    assert gone_on_with(tmp_path) == 1
    told = capsys.readouterr()
    assert "\x1b[2J" not in told.out + told.err
    assert told.out.count("RuntimeError: no [/such] [bold]luck␛[2J") == 2  # at once, and at the end
