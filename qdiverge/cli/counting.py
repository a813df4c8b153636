"""How far a number of episodes has come: a bar on a terminal, plain lines otherwise."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typing_extensions import Self

from qdiverge.agents.environments.experience import Episode

PLAIN_PERIOD = 15.0  # seconds between plain lines


class Counting:
    """Counts episodes as they end; a context manager.

    Args:
        title: What is going on.
        total: Episodes in all.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._scores: list[float] = []
        self._console = Console()
        self._said = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def episode(self, episode: Episode) -> None:
        """Count one."""
        self._scores.append(episode.score)
        mean = sum(self._scores) / len(self._scores)
        if self._console.is_terminal:
            title = f"{self._title}, mean so far {mean:.4g}"
            self._bar.update(self._task, advance=1, description=title)
        elif time.monotonic() - self._said >= PLAIN_PERIOD:
            self._said = time.monotonic()
            done = f"{len(self._scores)} of {self._total} episodes"
            self._console.print(
                f"{self._title}: {done}, mean so far {mean:.4g}", soft_wrap=True, highlight=False
            )
