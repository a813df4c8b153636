"""A kernel to be made: its sides, how their terms are extracted, and in what portions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdiverge.kernel.gram import Gram
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.plan import Plan
from qdiverge.kernel.stream import Chunk, Extract, chunks, tiles, tiles_and_own


@dataclass(frozen=True)
class Problem:
    """A kernel to be made, and in what portions.

    Attributes:
        extract: Pairs → terms.
        x: The rows.
        y: The columns; None for the rows themselves.
        rows: Rows (samples times actions) for each sample of x and of y.
        chunk_size: Samples extracted at a time.
        pass_size: Samples in one forward pass.
        block_size: Samples whose terms are held at a time, a multiple of ``chunk_size``.
        tile_size: Samples of the smallest symmetric tile.
        dtype: Of the kernel.
        plan: What is done for each parameter.
        gram: How Gram products are made.
    """

    extract: Extract
    x: Pairs
    y: Pairs | None
    rows: tuple[int, int]
    pass_size: int
    chunk_size: int
    block_size: int
    tile_size: int
    dtype: torch.dtype
    plan: Plan
    gram: Gram

    def tiles(self) -> Iterator[tuple[Chunk, Chunk]]:
        """Yield the pairs of chunks that K is made of."""
        sizes = self.chunk_size, self.block_size, self.tile_size
        return tiles(self.extract, self.x, self.y, *sizes)

    def tiles_and_own(self) -> Iterator[tuple[Chunk, Chunk, bool]]:
        """Yield the pairs of chunks of K, and with the same terms those of K(X, X): marked."""
        assert self.y is not None
        sizes = self.chunk_size, self.block_size, self.tile_size
        return tiles_and_own(self.extract, self.x, self.y, *sizes)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows' chunks."""
        return chunks(self.extract, self.x, self.chunk_size, slice(0, len(self.x)))

    @property
    def own(self) -> "Problem":
        """Return the problem of K(X, X)."""
        return replace(self, y=None, rows=(self.rows[0], self.rows[0]))

    def zeros(self) -> Tensor:
        """Return an empty kernel [R, S]."""
        y = self.x if self.y is None else self.y
        shape = len(self.x) * self.rows[0], len(y) * self.rows[1]
        return self.x.observations.new_zeros(shape, dtype=self.dtype)

    def place(self, left: Chunk, right: Chunk) -> tuple[slice, slice]:
        """Return the tile's rows and columns in K."""
        return _times(left.rows, self.rows[0]), _times(right.rows, self.rows[1])

    def shaped(self, kernel: Tensor) -> Tensor:
        """Return [R, S] with an axis of actions wherever a side has all of them."""
        y = self.x if self.y is None else self.y
        left = (len(self.x), self.rows[0]) if self.x.actions is None else (len(self.x),)
        right = (len(y), self.rows[1]) if y.actions is None else (len(y),)
        return kernel.reshape(*left, *right)


def _times(rows: slice, num: int) -> slice:
    return slice(rows.start * num, rows.stop * num)
