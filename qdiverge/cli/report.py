"""``qdiverge report RUN [RUN …]``: one self-contained page."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from qdiverge.report import write_report


@dataclass(frozen=True)
class Options:
    """Write one self-contained report.html for one run, or several side by side."""

    runs: tyro.conf.Positional[tuple[Path, ...]]  # run folders
    out: Path | None = None  # the page; by default report.html in the (first) run's folder


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    print(write_report(options.runs, options.out))
