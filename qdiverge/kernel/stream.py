"""Walk over K in tiles, holding the terms of one block of rows and one chunk of columns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from qdiverge.kernel.gram import Gram
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.terms import Term

Extract = Callable[[Pairs], list[Term]]


@dataclass(frozen=True)
class Chunk:
    """The terms of consecutive samples ``rows`` of one side."""

    rows: slice
    terms: Sequence[Term]

    def part(self, start: int, stop: int) -> "Chunk":
        """Return the part of the samples counted from this chunk's first."""
        rows = slice(self.rows.start + start, self.rows.start + stop)
        return Chunk(rows, [term.samples(slice(start, stop)) for term in self.terms])

    def __len__(self) -> int:
        return self.rows.stop - self.rows.start


def chunks(extract: Extract, pairs: Pairs, size: int, rows: slice) -> Iterator[Chunk]:
    """Yield the terms of ``rows`` in chunks whose borders do not depend on the block."""
    for start in range(rows.start, rows.stop, size):
        part = slice(start, min(start + size, rows.stop))
        yield Chunk(part, extract(pairs[part]))


def blocks(num: int, block_size: int) -> list[slice]:
    """Return consecutive slices of at most ``block_size`` that cover ``num`` rows.

    >>> blocks(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(i, min(i + block_size, num)) for i in range(0, num, block_size)]


def tiles(
    extract: Extract, x: Pairs, y: Pairs | None, chunk_size: int, block_size: int, smallest: int
) -> Iterator[tuple[Chunk, Chunk]]:
    """Yield the pairs of chunks that make up K(X, Y); of K(X, X) those from the diagonal up.

    Chunks' pairs with themselves are split down to ``smallest`` samples.
    """
    for rows in blocks(len(x), block_size):
        for left, right, _ in _of_block(extract, x, y, chunk_size, rows, smallest, y is None):
            yield left, right


def tiles_and_own(
    extract: Extract, x: Pairs, y: Pairs, chunk_size: int, block_size: int, smallest: int
) -> Iterator[tuple[Chunk, Chunk, bool]]:
    """Yield the pairs of chunks of K(X, Y), and with the same terms those of K(X, X): marked."""
    for rows in blocks(len(x), block_size):
        yield from _of_block(extract, x, y, chunk_size, rows, smallest, with_own=True)


def _of_block(
    extract: Extract,
    x: Pairs,
    y: Pairs | None,
    chunk_size: int,
    rows: slice,
    smallest: int,
    with_own: bool,
) -> Iterator[tuple[Chunk, Chunk, bool]]:
    """Yield the tiles of some rows, each with whether it is of K(X, X).

    Its frame is all that holds the terms of these rows.
    """
    block = list(chunks(extract, x, chunk_size, rows))
    if with_own:
        for i, left in enumerate(block):
            for tile in symmetric_tiles(left, smallest):
                yield *tile, True
            for right in block[i + 1 :]:
                yield left, right, True
        for right in chunks(extract, x, chunk_size, slice(rows.stop, len(x))):
            for left in block:
                yield left, right, True
    if y is not None:
        for right in chunks(extract, y, chunk_size, slice(0, len(y))):
            for left in block:
                yield left, right, False


def symmetric_tiles(chunk: Chunk, smallest: int) -> Iterator[tuple[Chunk, Chunk]]:
    """Yield a chunk's pairs with itself: halves of halves, so that half the work is skipped."""
    num = len(chunk)
    if num <= smallest:
        yield chunk, chunk
        return
    middle = smallest * ((num // 2 + smallest - 1) // smallest)
    upper, lower = chunk.part(0, middle), chunk.part(middle, num)
    yield from symmetric_tiles(upper, smallest)
    yield upper, lower
    yield from symmetric_tiles(lower, smallest)


def add_tile(
    out: Tensor, left: Chunk, right: Chunk, gram: Gram, *, is_diagonal: bool | None = None
) -> None:
    """Add every term's Gram to a zeroed tile; one with itself becomes symmetric to the bit."""
    for x, y in zip(left.terms, right.terms, strict=True):
        x.add_gram(out, y, gram)
    if left is right if is_diagonal is None else is_diagonal:
        out.copy_(out.triu() + out.triu(1).T)
