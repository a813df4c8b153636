"""``qdiverge resume``: go on with a run that was stopped, killed or has ended."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from qdiverge.cli.last_word import say_verdict
from qdiverge.cli.say import say
from qdiverge.cli.trust import TrustFlag
from qdiverge.cli.watched import resume_watched
from qdiverge.report import write_report


@dataclass(frozen=True)
class Options:
    """Go on with a run, in its folder, from its newest intact checkpoint.

    A run that was killed, or stopped by Ctrl-C, SIGTERM or SIGHUP, goes on from its last barrier:
    on a CPU it becomes, bit for bit, the run that was never stopped. One that ended by itself goes
    on from its end.
    """

    run: tyro.conf.Positional[Path]  # the run's folder
    total_steps: int | None = None  # agent steps at which it is to end now; by default as before
    seconds: float | None = None  # wall-clock limit, in seconds from now
    from_end: bool = False  # from where it was stopped: no work is redone, but it differs then
    trust_environment: TrustFlag = False


def main(options: Options) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    has_begun = False

    def begin(step: int, total_steps: int, folder: Path) -> None:
        nonlocal has_begun
        has_begun = True
        say(f"{options.run.name}: goes on at step {step:,} of {total_steps:,}, from {folder}")

    try:
        resume_watched(
            options.run,
            total_steps=options.total_steps,
            seconds=options.seconds,
            from_end=options.from_end,
            trust_environment=options.trust_environment,
            on_start=begin,
        )
    finally:
        if has_begun:
            page = write_report([options.run])
    return say_verdict(options.run, page)
