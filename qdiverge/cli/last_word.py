"""What a command that trained says at its end: the verdict on the run, and its exit status."""

import errno
from pathlib import Path

from qdiverge.cli.say import say
from qdiverge.report.verdict import Verdict, verdict_on
from qdiverge.runs import load_run, read_info

OK, DIVERGED = 0, 3
UNSAVED = "unsaved_step"  # in run.json: of the last checkpoint, where it could not be written


def say_verdict(run: Path, page: Path) -> int:
    """Print the verdict on a run, and where its page is; return the exit status.

    Args:
        run: Its folder.
        page: Its report.

    Raises:
        OSError: something of the run is lost, since it could not be written; it names the file.
    """
    verdict = told_verdict(run)
    say(page)
    check_is_whole(run)
    return DIVERGED if verdict.health == "diverged" else OK


def check_is_whole(run: Path) -> None:
    """Raise where a run has lost lines, arrays or its last checkpoint to a full disk.

    Raises:
        OSError: it has; it names the file.
    """
    info = read_info(run)
    if lost := info.get("lost_writes"):
        text = f"{lost} lines or arrays could not be written and are lost; make room, then resume"
        raise OSError(errno.ENOSPC, text, str(run / info.get("lost_in", "")))
    if (step := info.get(UNSAVED)) is not None:
        text = "the last checkpoint could not be written; make room, then resume from one before"
        raise OSError(errno.ENOSPC, text, str(run / "checkpoints" / str(step)))


def told_verdict(run: Path) -> Verdict:
    """Print the verdict on a run, and return it."""
    verdict = verdict_on(load_run(run))
    say(f"{run.name}: {verdict.headline}. {' '.join(verdict.sentences)}")
    return verdict
