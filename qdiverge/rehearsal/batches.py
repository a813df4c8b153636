"""Where a copy's batches come from: a replay's rows, the last batches seen, or a function."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from qdiverge.calling import own_errors
from qdiverge.checks import check_integer
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.generators import Generator, OwnGenerators
from qdiverge.rehearsal.own_values import OwnValues
from qdiverge.rehearsal.reached import NOTHING, Reached, reached
from qdiverge.thing_checks import type_of
from qdiverge.transitions import Transitions
from qdiverge.update.td_update import Rows, rows_of

PROBE_SIZE = 64


@dataclass(frozen=True, eq=False)
class Batches:
    """What to learn from.

    Attributes:
        rows: All there is, of which batches are drawn; None where they are given or made.
        given: Batches as they are.
        make: Returns a batch; it draws from global generators of its own, seeded by the order.
        size: Of a batch that is drawn from ``rows``.
        device: Where the copies are.
        dtype: Of their numbers.
        watched: The rows to watch the values on; None: some of the data.
        generators: By which ``make`` draws besides, told or reached.
        under_way: In the run's own order, what comes before the first that is made.
        reached: What ``make`` may draw by, and change.
    """

    rows: Rows | None
    given: tuple[Rows, ...]
    make: Callable[[], Any] | None
    size: int
    device: torch.device
    dtype: torch.dtype
    watched: Rows | None = None
    generators: tuple[Generator, ...] = ()
    under_way: tuple[Rows, ...] = ()
    reached: Reached = NOTHING

    def stream(self, seed: int | None, *, is_alone: bool = False) -> Iterator[Rows]:
        """Yield batches for ever, in the order of a seed; given ones as they came in order 0.

        Rows are drawn with replacement. Given batches are gone through again and again, in an order
        of the seed's but for the first round of seed 0.

        Args:
            seed: None: as the run would draw them, from the generators as they stand; else as 0.
            is_alone: Whether nothing else draws meanwhile but what would in the run: in the run's
                own order they draw from the same generators then, which the caller puts back.
        """
        if self.make is not None:
            own: Any = nullcontext()
            if seed is None:
                yield from self.under_way
            if seed is not None or not is_alone:
                own = OwnGenerators(seed, self.device, self.generators)
            values = OwnValues(self.reached)
            while True:
                with own, values:
                    with own_errors("data"):
                        made = self.make()
                    batch = rows_of(made).map(torch.clone)  # of arrays that are filled again
                yield _finite(batch).to(self.device, self.dtype)
        seed = seed or 0
        generator = torch.Generator().manual_seed(seed)
        if self.rows is not None:
            while True:
                index = torch.randint(len(self.rows), (self.size,), generator=generator)
                yield _select(self.rows, index.to(self.device))
        if seed == 0:
            yield from self.given
        while True:
            order = torch.randperm(len(self.given), generator=generator).tolist()
            yield from (self.given[i] for i in order)

    def probe(self) -> Rows:
        """Return the rows to watch the values on: up to 64 of the data, or those that were told."""
        if self.watched is not None:
            return self.watched
        if self.rows is not None:
            generator = torch.Generator().manual_seed(0)
            index = torch.randperm(len(self.rows), generator=generator)[:PROBE_SIZE]
            return _select(self.rows, index.to(self.device))
        if self.make is not None:
            batch = next(self.stream(0))
            return _select(batch, torch.arange(min(len(batch), PROBE_SIZE), device=self.device))
        share = max(1, PROBE_SIZE // len(self.given))
        parts = [_select(b, torch.arange(min(share, len(b)), device=self.device))
                 for b in self.given[:PROBE_SIZE]]  # fmt: skip
        return reduce(Rows.join, parts)

    def largest_reward(self) -> float:
        """Return the largest |r| of what is known beforehand; 0.0 of a function."""
        batches = self.given if self.rows is None else (self.rows,)
        return max((float(rows.transitions.rewards.abs().max()) for rows in batches), default=0.0)


def as_batches(
    data: Any,
    batch_size: int | None,
    device: torch.device,
    dtype: torch.dtype,
    probe: Any = None,
    generators: Sequence[Generator] = (),
) -> Batches:
    """Read what a rehearsal is given.

    Args:
        data: One batch of transitions, whose rows are drawn; a list of batches; or a callable.
        batch_size: Of batches drawn from rows; None: 32, or all where there are fewer.
        device: Where the copies are.
        dtype: Of their numbers.
        probe: Transitions to watch the values on; None: some of the data.
        generators: By which a callable draws beside the global ones.

    Raises:
        InvalidTypeError: a replay itself, or an iterator.
        InvalidValueError: an empty list, fewer rows than 1, or numbers that are none.
    """
    if batch_size is not None:
        batch_size = check_integer("batch_size", batch_size, 1)
    for each in generators:
        if not isinstance(each, Generator):
            raise InvalidTypeError(
                "generators must be of torch, numpy or random", got=type_of(each)
            )
    watched = None if probe is None else _finite(rows_of(probe)).to(device, dtype)
    if callable(data) and not isinstance(data, Transitions):
        found = reached(data)
        own = {id(each): each for each in (*generators, *found.generators)}
        return Batches(None, (), data, 0, device, dtype, watched, tuple(own.values()),
                       reached=found)  # fmt: skip
    if callable(getattr(data, "sample", None)) and not isinstance(data, Tensor | Mapping):
        raise InvalidTypeError(
            "a rehearsal asks a replay by a function",
            got=f"{type_of(data)} itself",
            remedy="Pass lambda: replay.sample(batch_size).",
        )
    if isinstance(data, Iterator):
        raise InvalidTypeError(
            "a rehearsal needs batches that can be gone through again",
            got=f"{type_of(data)}, which would be used up",
            remedy="Pass a list of batches, or a function that returns one.",
        )
    if isinstance(data, Sequence) and not hasattr(data, "_fields"):
        if not data:
            raise InvalidValueError("a rehearsal needs batches", got="an empty list")
        given = tuple(_finite(rows_of(batch)).to(device, dtype) for batch in data)
        return Batches(None, given, None, 0, device, dtype, watched)
    rows = _finite(rows_of(data)).to(device, dtype)
    return Batches(rows, (), None, batch_size or min(32, len(rows)), device, dtype, watched)


def _finite(rows: Rows) -> Rows:
    """Return the rows, or say which of their numbers is none: a run would not outlive it."""
    batch = rows.transitions
    named = [(field.name, getattr(batch, field.name)) for field in fields(batch)]
    named += [("weights", rows.weights), ("discounts", rows.discounts)]
    for name, values in named:
        if values is None or not values.is_floating_point():
            continue
        if not bool((is_number := torch.isfinite(values)).all()):
            raise InvalidValueError(
                f"{name} of a rehearsal must be finite",
                got=f"{values[~is_number][0].item()} in {len(_rows_with(~is_number))} of "
                f"{len(rows)} rows",
                remedy="The data hold it: leave these rows out, or mend what stored them.",
            )
    return rows


def _rows_with(is_there: Tensor) -> Tensor:
    return is_there.flatten(1).any(1).nonzero() if is_there.ndim > 1 else is_there.nonzero()


def _select(rows: Rows, index: Tensor) -> Rows:
    return rows.map(lambda x: x[index])
