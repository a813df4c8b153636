"""What a command that trained says at its end: the verdict on the run, and its exit status."""

from pathlib import Path

from qdiverge.cli.say import say
from qdiverge.report.verdict import Verdict, verdict_on
from qdiverge.runs import load_run

OK, DIVERGED = 0, 3


def say_verdict(run: Path, page: Path) -> int:
    """Print the verdict on a run, and where its page is; return the exit status.

    Args:
        run: Its folder.
        page: Its report.
    """
    verdict = told_verdict(run)
    say(page)
    return DIVERGED if verdict.health == "diverged" else OK


def told_verdict(run: Path) -> Verdict:
    """Print the verdict on a run, and return it."""
    verdict = verdict_on(load_run(run))
    say(f"{run.name}: {verdict.headline}. {' '.join(verdict.sentences)}")
    return verdict
