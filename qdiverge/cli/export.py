"""``qdiverge export RUN``: the time series as a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from qdiverge.cli.say import say
from qdiverge.errors import InvalidValueError
from qdiverge.runs.export import Format, export_run

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Options:
    """Write a run's time series as one table, and its alarms as another beside it."""

    run: tyro.conf.Positional[Path]  # run folder
    format: Format = "csv"
    out: Path | None = None  # the table; by default metrics.csv in the run's folder
    metrics: tuple[str, ...] = ()  # patterns of those to keep, such as 'diverge/*'; by default all
    wide: Flag = False  # a row for each step, cells empty where not measured: the default
    long: Flag = False  # a row for each number: step, time, metric, value


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    if options.wide and options.long:
        raise InvalidValueError("--wide and --long cannot be given together", got="both")
    for path in export_run(
        options.run,
        options.out,
        format=options.format,
        layout="long" if options.long else "wide",
        metrics=options.metrics,
    ):
        say(path)
