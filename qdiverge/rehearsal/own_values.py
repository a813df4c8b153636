"""Values of one's own in the places that a function reaches: the run's are put back after it."""

import types
from typing import Any

import numpy as np
import torch

from qdiverge.rehearsal.reached import Reached

Place = tuple[Any, Any]  # what holds a value, and its name there


class OwnValues:
    """Values of one's own: inside, they go on from where they were left inside.

    Args:
        reached: Where they are.

    >>> from qdiverge.rehearsal.reached import reached
    >>> __name__ = "a_script"
    >>> class Replay:
    ...     draws, batch = 0, np.zeros(2)
    ...     def sample(self): self.draws += 1; self.batch += 1
    >>> replay = Replay()
    >>> replay.batch = np.zeros(2)
    >>> own = OwnValues(reached(replay.sample))
    >>> with own: replay.sample()
    >>> with own: replay.sample(); replay.draws, replay.batch
    (2, array([2., 2.]))
    >>> replay.draws, replay.batch
    (0, array([0., 0.]))
    """

    def __init__(self, reached: Reached) -> None:
        self._reached = reached
        self._own: dict[tuple[int, Any], tuple[Place, Any]] = {}
        self._contents: dict[int, Any] = {}
        self._outer_contents: dict[int, Any] = {}

    def __enter__(self) -> None:
        self._outer = self._values()
        for thing in self._reached.contents:
            key = id(thing)
            if key not in self._outer_contents or not _is_same(thing, self._outer_contents[key]):
                self._outer_contents[key] = _content(thing)
            if key in self._contents:
                _fill(thing, self._contents[key])
        _put(self._own)
        self._before = self._outer | self._own

    def __exit__(self, *_: object) -> None:
        now = self._values()
        for key, (place, value) in now.items():
            if key not in self._before or self._before[key][1] is not value:
                self._own[key] = (place, value)
        for key, (place, _) in self._own.items():
            if key not in self._outer:  # made by the draw, in a dict
                del place[0][place[1]]
        _put({key: self._outer[key] for key in self._own if key in self._outer})
        for thing in self._reached.contents:
            held = id(thing)
            if held in self._contents or not _is_same(thing, self._outer_contents[held]):
                self._contents[held] = _content(thing)
                _fill(thing, self._outer_contents[held])

    def _values(self) -> dict[tuple[int, Any], tuple[Place, Any]]:
        """Return what is held now, by place."""
        return {
            (id(holder), name): ((holder, name), value)
            for holder, names in self._reached.holders
            for name, value in _entries(holder, names)
        }


def _entries(holder: Any, names: tuple[str, ...] | None) -> list[tuple[Any, Any]]:
    if isinstance(holder, types.CellType):
        return [(None, holder.cell_contents)]
    return list(holder.items()) if names is None else [(n, holder[n]) for n in names if n in holder]


def _put(values: dict[tuple[int, Any], tuple[Place, Any]]) -> None:
    for (holder, name), value in values.values():
        if isinstance(holder, types.CellType):
            holder.cell_contents = value
        else:
            holder[name] = value


def _content(thing: Any) -> Any:
    """Return a copy of what a list, a set, an array or a tensor holds."""
    return thing.detach().clone() if isinstance(thing, torch.Tensor) else thing.copy()


def _is_same(thing: Any, content: Any) -> bool:
    if isinstance(thing, torch.Tensor):
        return torch.equal(thing, content)
    if isinstance(thing, np.ndarray):
        return np.array_equal(thing, content)
    return list(map(id, thing)) == list(map(id, content))


def _fill(thing: Any, content: Any) -> None:
    """Put back what ``_content`` returned."""
    if isinstance(thing, torch.Tensor):
        with torch.no_grad():
            thing.copy_(content)
    elif isinstance(thing, np.ndarray):
        np.copyto(thing, content)
    else:
        thing.clear()
        (thing.update if isinstance(thing, set) else thing.extend)(content)
