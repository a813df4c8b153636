"""From terms to answers: the kernel, its diagonal, its row sums, its blocks; pure functions."""

import torch
from torch import Tensor

from qdiverge.kernel.problem import Problem
from qdiverge.kernel.stream import Chunk, add_tile
from qdiverge.kernel.terms import Term


def kernel(problem: Problem) -> Tensor:
    """Return K [R, S]; of a symmetric one each tile is made once and mirrored."""
    out = problem.zeros()
    for left, right in problem.tiles():
        rows, columns = problem.place(left, right)
        add_tile(out[rows, columns], left, right, problem.gram)
        if problem.y is None and left is not right:
            out[columns, rows] = out[rows, columns].T
    return out


def diagonal(problem: Problem) -> Tensor:
    """Return K_ii [R]."""
    return torch.cat(
        [torch.stack([t.diagonal() for t in chunk.terms]).sum(0) for chunk in problem.chunks()]
    )


def abs_row_sums(problem: Problem, rho: Tensor) -> Tensor:
    """Return Σ_j |K_ij| ρ_j [R], tile by tile: K is never held."""
    sums = torch.zeros_like(rho)
    for left, right in problem.tiles():
        rows, columns = problem.place(left, right)
        tile = rho.new_zeros(rows.stop - rows.start, columns.stop - columns.start)
        add_tile(tile, left, right, problem.gram)
        tile.abs_()
        sums[rows] += tile @ rho[columns]
        if left is not right:
            sums[columns] += tile.T @ rho[rows]
    return sums


def by_block(problem: Problem) -> dict[str, Tensor]:
    """Return each block's kernel [R, S]; they sum to K."""
    out: dict[str, Tensor] = {}
    for left, right in problem.tiles():
        rows, columns = problem.place(left, right)
        for block in dict.fromkeys(term.block for term in left.terms):
            total = out.setdefault(block, problem.zeros())
            part = total[rows, columns]
            ours, theirs = _only(left, block), _only(right, block)
            add_tile(part, ours, theirs, problem.gram, is_diagonal=left is right)
            if problem.y is None and left is not right:
                total[columns, rows] = part.T
    return out


def with_blocks(problem: Problem, chosen: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return K [R, S] between two sides, and each block's share at one row of each sample.

    Args:
        problem: With a side of columns of its own.
        chosen: The row of each sample in K, [N].
    """
    whole, out = problem.zeros(), dict[str, Tensor]()
    for left, right in problem.tiles():
        rows, columns = problem.place(left, right)
        here = chosen[left.rows] - rows.start
        for block in dict.fromkeys(term.block for term in left.terms):
            part = whole.new_zeros(rows.stop - rows.start, columns.stop - columns.start)
            add_tile(part, _only(left, block), _only(right, block), problem.gram)
            whole[rows, columns] += part
            share = out.setdefault(block, whole.new_zeros(len(chosen), whole.shape[1]))
            share[left.rows, columns] = part[here]
    return whole, out


def _only(chunk: Chunk, block: str) -> Chunk:
    terms: list[Term] = [term for term in chunk.terms if term.block == block]
    return Chunk(chunk.rows, terms)
