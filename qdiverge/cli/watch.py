"""``qdiverge watch [RUN …]``: a live page on the terminal, from another process."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.live import Live

from qdiverge.checks import check_positive
from qdiverge.report.follow import Follower
from qdiverge.report.terminal import terminal_page
from qdiverge.runs import find_runs, is_run


@dataclass(frozen=True)
class Options:
    """Look at runs while they go on: progress, verdict, alarms and curves on the terminal.

    It only reads the run's files, so it works from any process and over SSH. It ends when the runs
    have, or with Ctrl-C.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()  # runs, or folders of runs; none: the newest
    refresh: float = 2.0  # seconds between two looks
    once: bool = False  # print the page once; so it is also where the output is no terminal
    wait: bool = False  # wait for runs that are not there yet


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    check_positive("refresh", options.refresh)
    console = Console()
    with suppress(KeyboardInterrupt):
        _watch(options, console)


def _watch(options: Options, console: Console) -> None:
    for run in options.runs if options.wait else ():
        _wait_for(run, options.refresh, console)
    followers = [Follower(run) for run in find_runs(options.runs)]
    if options.once or not console.is_terminal:
        for follower in followers:
            follower.refresh()
        console.print(terminal_page(followers, console.width))
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            for follower in followers:
                follower.refresh()
            page = terminal_page(followers, console.width, console.height - 1)
            live.update(page, refresh=True)
            if all(follower.is_over for follower in followers):
                return
            time.sleep(options.refresh)


def _wait_for(run: Path, period: float, console: Console) -> None:
    if is_run(run):
        return
    console.print(f"Waiting for a run in {run}; Ctrl-C leaves.", style="bright_black")
    while not is_run(run):
        time.sleep(min(period, 1.0))
