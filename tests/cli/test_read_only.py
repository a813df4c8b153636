"""On a disk that cannot be written what only reads works, and what writes says why it cannot."""

import subprocess

import pytest

from qdiverge.cli import main
from qdiverge.errors import RunFolderError
from qdiverge.runs import RunLog, load_run
from tests.disks import small_disk


def test_a_run_on_a_read_only_disk_is_read_and_nothing_else(tmp_path, capsys):
    with small_disk("1m") as disk:
        out = disk / "run"
        with RunLog(out, {"seed": 1}) as log:
            log.metrics(1, {"x": 1.0})
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert load_run(out).series["x"].values.tolist() == [1.0]
        page = tmp_path / "page.html"
        assert main(["report", str(out), "--out", str(page)]) == 0
        assert page.exists()
        for arguments in (["resume", str(out)], ["report", str(out)]):
            assert main(arguments) in (1, 2)
            said = capsys.readouterr().err
            assert "Read-only file system" in said
            assert str(out) in said
        with pytest.raises(RunFolderError, match="Read-only file system"):
            RunLog(disk / "new")
        assert {path.name for path in out.iterdir()} == {"run.json", "events.jsonl", ".lock"}
