"""What a door is: an entry point, and arguments that it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Door:
    """An entry point.

    Attributes:
        call: What is called.
        given: Arguments that it takes, made anew, for a folder that is empty.
        counts: Arguments of which many is a right thing to ask for, and takes long.
        moves: Whether it changes something where it is right: what it is given, as an optimiser's
            step does, files, or the generators by which weights are drawn.
    """

    call: Callable[..., Any]
    given: Callable[[Path], Arguments]
    counts: tuple[str, ...] = ()
    moves: bool = False
