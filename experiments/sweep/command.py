"""Run the cells of a study on this machine, a Ray cluster or SLURM; resumable."""

import argparse
import math
import os
import sys
import time
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from experiments.sweep.engines import ENGINES, make_engine
from experiments.sweep.sweep import Sweep, cells_of, default_root, locked
from experiments.sweep.work import study
from qdiverge.cli.interrupt import calling_at_stop, interrupt
from qdiverge.cli.say import say
from qdiverge.errors import QDivergeError
from qdiverge.plain_text import plain_lines

FOLDER = Path(__file__).parent
HERE = FOLDER.parent


def main(arguments: list[str]) -> int:
    """Run what is missing.

    Returns:
        0 when every cell has a row, 1 when some failed or Ctrl-C, SIGTERM or SIGHUP came, 2 on bad
        usage.
    """
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    root = options.out or default_root(options.name, options.full)
    try:
        with locked(root), calling_at_stop(interrupt, ["SIGTERM", "SIGHUP"]):
            return _run(options, root)
    except (QDivergeError, ValueError) as error:
        say(f"sweep: {error}", is_error=True)
        return 2


def sweepable() -> list[str]:
    """Return the studies here that have cells."""
    return sorted(path.parent.name for path in HERE.glob("*/sweep.py") if path.parent != FOLDER)


def study_name(text: str) -> str:
    """Return the name of a study with cells, as arguments give it."""
    if "." not in text and text not in sweepable():
        raise argparse.ArgumentTypeError(
            f"a study was expected: {', '.join(sweepable())}, or a module's dotted name; got {text}"
        )
    return text


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(
            f"KEY=VALUE was expected, such as address=HOST:6379; got {text}"
        )
    return key, value


def _run(options: argparse.Namespace, root: Path) -> int:
    module = study(options.name)
    cells = cells_of(options.name, module.cells(options.full), root)
    sweep = Sweep(root, cells, options.retries, options.lost_after)
    sweep.open(options.name, options.resume)
    missing = len(cells) - len(sweep.finished())
    if options.dry_run or not missing:
        print(f"{len(cells) - missing} of {len(cells)} cells are finished; {sweep.table}")
        return 0
    given = dict(options.engine_option)
    engine = make_engine(options.engine, options.workers, options.name, **given)
    failures, began = [], time.monotonic()
    try:
        with _progress() as bar:
            task = bar.add_task(options.name, total=len(cells), completed=len(cells) - missing)
            for ended in sweep.run(engine):
                bar.advance(task)
                if ended.failure:
                    failures.append(ended)
                    told = plain_lines(f"failed: {ended.cell.config}: {ended.failure}")
                    bar.console.print(told, markup=False)
                elif not bar.console.is_terminal:
                    left = len(cells) - int(bar.tasks[0].completed)
                    print(_left(time.monotonic() - began, missing - left, left), flush=True)
    except KeyboardInterrupt:
        print(f"stopped; finished cells are kept, --resume goes on: {root}", file=sys.stderr)
        return 1
    finally:
        engine.close()
    print(f"{len(sweep.finished())} of {len(cells)} cells in {sweep.table}")
    for ended in failures:
        say(f"  {ended.cell.folder}/log.txt: {ended.failure}")
    return 1 if failures else 0


def _left(seconds: float, done: int, left: int) -> str:
    """Return a line of progress; the time that is left goes by the mean rate so far.

    >>> _left(60.0, done=3, left=9)
    '60 s, 9 cells left, ETA 180 s'
    """
    return f"{seconds:.0f} s, {left} cells left, ETA {seconds / done * left:.0f} s"


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    clocks = TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn()
    return Progress(*columns, *clocks, speed_estimate_period=math.inf)  # a cell may take minutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments sweep", description=__doc__)
    parser.add_argument("name", type=study_name, help=f"the study: {', '.join(sweepable())}")
    parser.add_argument("--full", action="store_true", help="its full grid, not the reduced one")
    parser.add_argument("--engine", choices=list(ENGINES), default="local")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="cells at a time")
    parser.add_argument("--retries", type=int, default=2, help="for a cell that was killed or lost")
    parser.add_argument("--resume", action="store_true", help="go on in a folder with a sweep")
    parser.add_argument("--out", type=Path, help="folder; default runs/sweeps/NAME")
    parser.add_argument("--lost-after", type=float, default=60.0, help="seconds without heartbeat")
    parser.add_argument("--dry-run", action="store_true", help="only count the cells")
    parser.add_argument(
        "--engine-option", type=_pair, action="append", default=[], metavar="KEY=VALUE",
        help="ray: address=…; slurm: partition=…, minutes=…, cluster=local",
    )  # fmt: skip
    return parser
