"""A forked child, such as a worker of a DataLoader, has a copy of all that its parent holds open.

Were it to write there, its lines would stand among its parent's; were it to close, it would say
that the run had ended; and as long as it lived it would hold the run's lock, also when its parent
was killed. So it lets everything go at once.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Owned(Protocol):
    """What belongs to one process."""

    def forget(self) -> None:
        """Let go, in a child, of what is the parent's: nothing is written, nothing ends."""


_OWNED: WeakSet[Owned] = WeakSet()


def forget_in_children(owned: Owned) -> None:
    """Have ``owned.forget()`` called in every process that is forked from this one."""
    _OWNED.add(owned)


def _forget() -> None:
    for owned in list(_OWNED):
        owned.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_forget)
