"""A disk that fills up: what is lost is said and counted, and the run can be gone on with."""

import subprocess

import pytest

from qdiverge.cli import main
from qdiverge.runs import RunLog, load_run
from tests.disks import small_disk
from tests.kills import complete
from tests.same_run import assert_same_run

FLAGS = [
    *("--env", "CartPole-v1", "--hidden-sizes", "16", "16", "--num-envs", "2"),
    *("--learning-starts", "100", "--buffer-size", "2000", "--total-steps", "900"),
    *("--checkpoint-period", "50", "--every", "40", "--cost", "light", "--max-overhead", "None"),
]


def fill(disk):
    """Leave no byte of room."""
    filler = (disk / "filler").open("ab", buffering=0)
    with filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(512))


def test_the_last_word_of_a_run_is_written_on_a_full_disk():
    with small_disk("256k") as disk:
        log = RunLog(disk / "run", {"seed": 1})
        log.metrics(1, {"x": 1.0})
        fill(disk)
        with pytest.warns(UserWarning, match="No space left"):
            for step in range(2, 200):
                log.metrics(step, {"x": float(step), "padding": 1.0})
            log.note({"a note": "x" * 5_000})
        log.close()
        run = load_run(disk / "run")
        assert run.info["status"] == "finished"
        assert run.info["a note"]
        assert run.info["lost_in"] == "events.jsonl"
        kept = len(run.series["x"].steps)
        assert run.info["lost_writes"] == 199 - kept > 0
        assert {path.name for path in (disk / "run").iterdir()} == {
            "run.json", "events.jsonl", ".lock",
        }  # fmt: skip
        (disk / "filler").unlink()


def test_the_room_that_is_kept_is_given_back(tmp_path):
    with RunLog(tmp_path / "run") as log:
        assert (log.folder / ".run.json.spare").stat().st_size == 16_384
    assert not (log.folder / ".run.json.spare").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:qdiverge")
def test_a_training_run_says_what_is_lost_and_goes_on_when_there_is_room(tmp_path, capsys):
    with small_disk("224k") as disk:
        out = disk / "run"
        status = main(["train", "dqn", "--out", str(out), *FLAGS])
        said = capsys.readouterr().err
        assert status == 1
        assert "No space left" in said or "could not be written" in said
        assert str(out) in said
        run = load_run(out)
        assert run.info["status"] == "finished"
        assert "unsaved_step" in run.info or run.info["lost_writes"] > 0
        steps = complete(out)
        assert len(steps) == 2
        assert max(steps) < 900
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert main(["resume", str(out)]) == 0
        assert f"goes on at step {max(steps)} of" in capsys.readouterr().out
        assert "unsaved_step" not in load_run(out).info
        assert main(["train", "dqn", "--out", str(tmp_path / "whole"), *FLAGS]) == 0
        assert_same_run(out, tmp_path / "whole")
