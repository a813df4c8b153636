"""``qdiverge report [RUN …]``: one self-contained page."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from qdiverge.cli.say import say
from qdiverge.report import write_report
from qdiverge.runs import find_runs


@dataclass(frozen=True)
class Options:
    """Write one self-contained report.html for one run, or several side by side."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()  # runs, or folders of runs; none: the newest
    out: Path | None = None  # the page; by default report.html in the first folder named


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    runs = find_runs(options.runs)
    say(write_report(runs, options.out or (options.runs or runs)[0]))
