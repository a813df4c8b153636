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
        _add_blocks(out, problem, left, right)
    return out


def with_own_blocks(
    problem: Problem, chosen: Tensor
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return K [R, S] between two sides, and by block K(X, X) [R, R] and K at one column of each.

    Args:
        problem: With a side of columns of its own.
        chosen: The column of each of its samples, [M], in K.

    Returns:
        K, K(X, X) by block, and K[:, chosen] by block, [R, M].
    """
    whole, own, out = problem.zeros(), dict[str, Tensor](), dict[str, Tensor]()
    for left, right, is_own in problem.tiles_and_own():
        if is_own:
            _add_blocks(own, problem.own, left, right)
            continue
        rows, columns = problem.place(left, right)
        here = chosen[right.rows] - columns.start
        for block in _blocks_of(left):
            part = whole.new_zeros(rows.stop - rows.start, columns.stop - columns.start)
            add_tile(part, _only(left, block), _only(right, block), problem.gram)
            whole[rows, columns] += part
            share = out.setdefault(block, whole.new_zeros(len(whole), len(chosen)))
            share[rows, right.rows] = part[:, here]
    return whole, own, out


def _add_blocks(out: dict[str, Tensor], problem: Problem, left: Chunk, right: Chunk) -> None:
    """Put each block's tile into that block's kernel, a symmetric one's mirrored too."""
    rows, columns = problem.place(left, right)
    for block in _blocks_of(left):
        total = out.setdefault(block, problem.zeros())
        part = total[rows, columns]
        add_tile(
            part, _only(left, block), _only(right, block), problem.gram, is_diagonal=left is right
        )
        if problem.y is None and left is not right:
            total[columns, rows] = part.T


def _blocks_of(chunk: Chunk) -> list[str]:
    return list(dict.fromkeys(term.block for term in chunk.terms))


def _only(chunk: Chunk, block: str) -> Chunk:
    terms: list[Term] = [term for term in chunk.terms if term.block == block]
    return Chunk(chunk.rows, terms)
