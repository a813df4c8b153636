"""What a monitor's state must be before another monitor goes on from it: files can hold anything.

Types, missing fields, and what must be of one length: each is an error before anything is changed.
What older checkpoints lack has a default here.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

import msgspec
from torch import Tensor

from qdiverge.update.rule import UpdateRule

LARGEST = 1 << 53  # an update, or a step
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Date = int | float  # by what a user asked for it may be far off; -1: never
RULE = frozenset(field.name for field in fields(UpdateRule)) - {"sources"}


class Alarm(msgspec.Struct):
    """An alarm that fired."""

    step: int
    update: int
    rule: str
    message: str
    kind: str = "divergence"
    evidence: dict[str, Any] = {}


class TargetMoves(msgspec.Struct):
    """How the target was seen to follow."""

    why_not: str
    fields: dict[str, int | float]
    copies: list[Count]
    moves: list[tuple[int, float, float]]


class Target(msgspec.Struct):
    """What the target was when it was last looked at."""

    before: Any  # of old checkpoints no text
    changes: list[Count]
    online: str | None = None
    last_move: Count = 0
    is_learning: bool = False
    rule: TargetMoves | None = None


class Confirming(msgspec.Struct):
    """What an audit found once, and waits to find again."""

    said: list[str]
    once: list[str]
    misfits: list[str]


class Slope(msgspec.Struct):
    """The slope of the loss."""

    value: float | None
    first: tuple[float, float] | None


class Audit(msgspec.Struct):
    """What the audits came to."""

    num_audits: Count
    num_undecided: Count
    why_not: str
    due: Date
    num_again: Count
    confirming: Confirming
    fitting: list[str]
    norm: float | None
    is_ahead: bool = False
    slope: Slope | None = None


class Foresight(msgspec.Struct):
    """When copies run ahead next."""

    num: Count
    why_not: str
    due: Date
    again: list[Count] = []


class Reminder(msgspec.Struct):
    """Batches that were shown."""

    num_batches: Count
    at: Count
    num_here: Count
    said: list[str]


class Probe(msgspec.Struct):
    """The batch to measure on, and the one that is being filled."""

    held: dict[str, Tensor] | None
    filling: dict[str, Tensor] | None
    since: Count
    reward_bound: float = 0.0


class State(msgspec.Struct):
    """All of it."""

    num_updates: Count
    target: Target | None
    alarms: list[Alarm]
    past: dict[str, tuple[list[float], list[float]]]
    latest: dict[str, float]
    num_measured: dict[str, Count]
    logged_at: int
    arrays_due: int
    probe: Probe
    diagnostics: dict[str, list[Any]]
    audit: Audit | None = None
    seen: dict[str, Any] = {}
    foresight: Foresight | None = None
    look_due: Date = 0
    reminder: Reminder | None = None
    longest_episode: float | None = None
    largest_reward: float = 0.0
    first_size: float | None = None
    entropy_bonus: float = 0.0
    newest: dict[str, Tensor] | None = None


def check_state(state: Mapping[str, Any]) -> None:
    """Refuse what is no state of a monitor.

    Raises:
        ValueError: it is none; the message says where.

    >>> check_state({"num_updates": "many"})
    Traceback (most recent call last):
    msgspec.ValidationError: Expected `int`, got `str` - at `$.num_updates`
    """
    read = msgspec.convert(dict(state), State)
    for name, (updates, values) in read.past.items():
        if len(updates) != len(values):
            raise ValueError(f"{len(updates)} updates of {name} for {len(values)} values")
    for where, rows in (("held", read.probe.held), ("filling", read.probe.filling)):
        for name, each in (rows := rows or {}).items():
            if each.shape[:1] != rows["rewards"].shape:
                raise ValueError(f"{list(each.shape)} of {name} in the probe batch, {where}")
    if others := read.seen.keys() - RULE:
        raise ValueError(f"no update has {', '.join(sorted(others))[:80]}")
    UpdateRule(**read.seen)
