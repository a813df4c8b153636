"""The sweep itself: submit what is missing, try again what was lost, append what is finished."""

import fcntl
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.sweep.cells import Cell
from experiments.sweep.engines import Ended, Engine
from qdiverge.errors import RunFolderError
from qdiverge.runs import provenance
from qdiverge.runs.boundary import Place
from qdiverge.runs.table import append_row, begin_table, read_table

LOOK = 1.0  # seconds between looks at the heartbeats


@dataclass
class Sweep:
    """A study's cells in one folder.

    Attributes:
        root: The folder; ``table.jsonl`` in it is the study's table.
        cells: All of them.
        retries: Further attempts for a cell that was killed, lost, or raised.
        lost_after: Seconds without a heartbeat after which a cell counts as lost.
    """

    root: Path
    cells: Sequence[Cell]
    retries: int = 2
    lost_after: float = 60.0
    attempts: Counter[str] = field(default_factory=Counter)

    @property
    def table(self) -> Path:
        """Return the table's file."""
        return self.root / "table.jsonl"

    def finished(self) -> set[str]:
        """Return the keys that the table has a row of."""
        return set(read_table(self.table).rows) & {cell.key for cell in self.cells}

    def open(self, study: str, is_resumed: bool) -> None:
        """Make the folder and the table, or look at those that are there.

        Raises:
            RunFolderError: there is a table and it was not asked to go on, or the other way round,
                or it is another study's.
        """
        if not self.table.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            begin_table(self.table, {"study": study, **provenance()})
            return
        here = f"python -m experiments sweep {study} --out {self.root}"
        table = read_table(self.table, f"{here}-2")
        if table.header.get("study") != study:
            raise RunFolderError(
                f"the folder must hold a sweep of the study {study}",
                got=f"{self.root}, which holds {table.header.get('study')}",
                remedy=f"Sweep in another one: {here}-2",
            )
        if table.rows and not is_resumed:
            raise RunFolderError(
                "a new sweep needs a folder without one",
                got=f"{self.root}, which holds {len(self.finished())} finished cells",
                remedy=f"Go on: {here} --resume. Or sweep in another one: {here}-2",
            )
        done = self.finished()
        for cell in self.cells:
            entry = None if cell.key in done else cell.result()
            if entry is not None:  # finished, but its row was not yet in the table
                append_row(self.table, entry)

    def run(self, engine: Engine) -> Iterator[Ended]:
        """Work on what is missing, yielding every attempt that ended for good."""
        done = self.finished()
        waiting = deque(cell for cell in self.cells if cell.key not in done)
        running: dict[str, Cell] = {}
        while waiting or running:
            while waiting and len(running) < engine.workers:
                cell = waiting.popleft()
                self.attempts[cell.key] += 1
                cell.prepare()
                engine.submit(cell)
                running[cell.key] = cell
            for ended in engine.wait(LOOK):
                del running[ended.cell.key]
                entry = ended.cell.result()
                if entry is not None:
                    append_row(self.table, entry | {"attempts": self.attempts[ended.cell.key]})
                    yield Ended(ended.cell)
                elif ended.is_final or self.attempts[ended.cell.key] > self.retries:
                    yield ended
                else:
                    waiting.append(ended.cell)
            for cell in running.values():
                if cell.silence() > self.lost_after:
                    engine.kill(cell)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the folder for this process.

    Raises:
        RunFolderError: another sweep is at work in it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with Place.of(root).open_own("lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunFolderError(
                "no other sweep may be using the folder",
                got=root,
                remedy=f"Wait for that sweep, or use another: --out {root}-2.",
            ) from error
        yield


def default_root(study: str, is_full: bool) -> Path:
    """Return the folder of a study's sweep where none is named."""
    return Path("runs/sweeps") / (study + "-full" * is_full)


def cells_of(study: str, configs: Sequence[dict[str, Any]], root: Path) -> list[Cell]:
    """Return the cells of some settings, each once."""
    cells = (Cell(study, config, root) for config in configs)
    return list({cell.key: cell for cell in cells}.values())
