"""What the sweep asks of an engine."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from experiments.sweep.cells import Cell
from experiments.sweep.work import DONE, REFUSED


@dataclass(frozen=True)
class Ended:
    """A cell whose process is over.

    Attributes:
        cell: It.
        failure: Why it has no result; "" where it has one.
        is_final: Whether another attempt would end the same way.
    """

    cell: Cell
    failure: str = ""
    is_final: bool = False


def ended(cell: Cell, code: int | None, otherwise: str = "no result") -> Ended:
    """Return the end of a cell whose work came back with ``code``."""
    if code == DONE:
        return Ended(cell)
    noted = cell.failure()
    return Ended(cell, noted["error"] if noted else otherwise, is_final=code == REFUSED)


def ended_by(cell: Cell, error: BaseException) -> Ended:
    """Return the end of a cell whose work did not come back."""
    return Ended(cell, f"{type(error).__name__}: {error}".splitlines()[0])


class Engine(ABC):
    """Works on cells, at most ``workers`` at a time."""

    workers: int

    @abstractmethod
    def submit(self, cell: Cell) -> None:
        """Begin to work on a prepared cell."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Ended]:
        """Return the cells that have ended, after at most ``seconds``; [] where none has."""

    @abstractmethod
    def kill(self, cell: Cell) -> None:
        """End the work on a cell; it is then reported as ended."""

    @abstractmethod
    def close(self) -> None:
        """End everything that is still under way."""
