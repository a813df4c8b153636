"""K over several processes, by torch.distributed: each rank owns a block of rows.

Every rank is given all pairs (they are small beside the features). A symmetric kernel's tiles are
made once: at distance d of a ring, rank r makes the tile of its rows with those of rank r + d and
sends the transpose to that rank, which owns these rows.

A script that ``torchrun --nproc-per-node 2 script.py`` runs; on GPUs, with "nccl"::

    import torch
    import torch.distributed as dist
    from qdiverge.kernel import NTK
    from qdiverge.kernel.distributed import gathered, kernel_rows

    dist.init_process_group("gloo")
    torch.manual_seed(0)  # the same network and pairs on every rank
    q_net = torch.nn.Linear(4, 2)
    observations, actions = torch.randn(10, 4), torch.arange(10) % 2
    rows = kernel_rows(NTK(q_net), observations, actions)
    print(dist.get_rank(), rows.start, list(rows.kernel.shape), list(gathered(rows).shape))
    dist.destroy_process_group()
"""

import itertools
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.kernel import assemble
from qdiverge.kernel.ntk import NTK, Observations, flat_rho, per_pair
from qdiverge.kernel.pairs import Actions
from qdiverge.kernel.problem import Problem
from qdiverge.kernel.stream import Chunk, add_tile, blocks


@dataclass(frozen=True)
class KernelRows:
    """The rows of K that one rank owns.

    Attributes:
        start: The first pair of them.
        kernel: [n, N].
    """

    start: int
    kernel: Tensor


def kernel_rows(
    ntk: NTK,
    observations: Observations,
    actions: Actions,
    *,
    exchange: str = "features",
    group: dist.ProcessGroup | None = None,
) -> KernelRows:
    """Return this rank's rows of K; nothing is gathered.

    Args:
        ntk: The same network on every rank.
        observations: All N observations, on every rank.
        actions: All N actions, the chosen ones.
        exchange: "features" (each is made once and sent around the ring; a rank's own must fit in
            its memory) or "recompute" (made again where needed, in blocks).
        group: The process group; None for all processes.

    Raises:
        InvalidValueError: ``exchange`` is unknown, actions are "all", or there are fewer pairs than
            ranks.
    """
    if exchange not in ("features", "recompute"):
        raise InvalidValueError('exchange must be "features" or "recompute"', got=repr(exchange))
    if isinstance(actions, str):
        raise InvalidValueError("distributed rows need chosen actions", got=repr(actions))
    rank, world = dist.get_rank(group), dist.get_world_size(group)
    with ntk._problem(observations, actions) as (problem, _, _):
        if len(problem.x) < world:
            raise InvalidValueError(
                f"each of the {world} ranks needs a pair",
                got=f"{len(problem.x)} pairs",
                remedy="Start fewer processes, or call NTK.kernel on one.",
            )
        shares = row_shares(len(problem.x), world)
        own = shares[rank]
        out = problem.x.observations.new_zeros(
            own.stop - own.start, len(problem.x), dtype=problem.dtype
        )
        mine = _own_chunks(problem, own) if exchange == "features" else []
        _add_own(problem, own, mine, out)
        for distance in range(1, world // 2 + 1):
            ahead, behind = (rank + distance) % world, (rank - distance) % world
            is_both = 2 * distance == world  # then two ranks face each other: the lower makes it
            makes, gets = (rank < ahead, rank > behind) if is_both else (True, True)
            if exchange == "features":
                tile = _tile_by_exchange(problem, mine, shares, (ahead, behind, makes, gets), group)
            else:
                tile = _tile_by_recompute(problem, own, shares[ahead]) if makes else None
            if tile is not None:
                out[:, shares[ahead]] = tile
            back = _swap(tile, out[:, shares[behind]], ahead, behind, makes, gets, group)
            if back is not None:
                out[:, shares[behind]] = back
        return KernelRows(own.start, out)


def gathered(rows: KernelRows, group: dist.ProcessGroup | None = None) -> Tensor:
    """Return K [N, N] on every rank, from every rank's rows."""
    world, num = dist.get_world_size(group), rows.kernel.shape[1]
    most = max(s.stop - s.start for s in row_shares(num, world))
    padded = rows.kernel.new_zeros(most, num)
    padded[: len(rows.kernel)] = rows.kernel
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded, group=group)
    shares = row_shares(num, world)
    return torch.cat([p[: s.stop - s.start] for p, s in zip(parts, shares, strict=True)])


def abs_row_sums(
    ntk: NTK,
    observations: Observations,
    actions: Actions,
    rho: Tensor | None = None,
    *,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """Return Σ_j |K_ij| ρ_j [N] on every rank; blocks of rows are dealt out, K never held.

    [N, A] for all actions. ρ is uniform where it is None. A rank works only where there is a block
    for it: ``NTK(block_size=...)`` sets their size.

    Raises:
        InvalidValueError: ρ is no distribution over the pairs.
    """
    rank, world = dist.get_rank(group), dist.get_world_size(group)

    def is_mine(block: int) -> bool:  # there and back again, so that long rows meet short ones
        place = block % (2 * world)
        return rank == (place if place < world else 2 * world - 1 - place)

    with ntk._problem(observations, actions) as (problem, _, _):
        sums = assemble.abs_row_sums(problem, flat_rho(problem, rho), is_mine)
        dist.all_reduce(sums, group=group)
        return per_pair(problem, sums)


def row_shares(num: int, world: int) -> list[slice]:
    """Return each rank's rows, as even as can be.

    >>> row_shares(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    least, more = divmod(num, world)
    starts = [r * least + min(r, more) for r in range(world + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(starts)]


def _own_chunks(problem: Problem, rows: slice) -> list[Chunk]:
    size = problem.chunk_size
    parts = [slice(s.start + rows.start, s.stop + rows.start) for s in blocks(_len(rows), size)]
    return [Chunk(part, problem.extract(problem.x[part])) for part in parts]


def _add_own(problem: Problem, own: slice, mine: list[Chunk], out: Tensor) -> None:
    """Fill the tile of a rank's rows with themselves."""
    if mine:
        for i, left in enumerate(mine):
            for right in mine[i:]:
                rows = slice(left.rows.start - own.start, left.rows.stop - own.start)
                tile = out[rows, right.rows]
                add_tile(tile, left, right, problem.gram)
                if left is not right:
                    columns = slice(right.rows.start - own.start, right.rows.stop - own.start)
                    out[columns, left.rows] = tile.T
        return
    pairs = problem.x[own]
    square = out[:, own]
    for left, right in problem.tiles_of(pairs, None):
        tile = square[left.rows, right.rows]
        add_tile(tile, left, right, problem.gram)
        if left is not right:
            square[right.rows, left.rows] = tile.T


def _tile_by_recompute(problem: Problem, own: slice, other: slice) -> Tensor:
    tile = problem.x.observations.new_zeros(_len(own), _len(other), dtype=problem.dtype)
    x, y = problem.x[own], problem.x[other]
    for left, right in problem.tiles_of(x, y):
        add_tile(tile[left.rows, right.rows], left, right, problem.gram)
    return tile


def _tile_by_exchange(
    problem: Problem,
    mine: list[Chunk],
    shares: list[slice],
    peers: tuple[int, int, bool, bool],
    group: dist.ProcessGroup | None,
) -> Tensor | None:
    """Send the own chunks behind and multiply with those that come from ahead, one at a time."""
    ahead, behind, makes, gets = peers
    theirs = blocks(_len(shares[ahead]), problem.chunk_size)
    own = slice(mine[0].rows.start, mine[-1].rows.stop)
    tile = problem.x.observations.new_zeros(_len(own), _len(shares[ahead]), dtype=problem.dtype)
    for step in range(max(len(mine), len(theirs))):
        operations, right = [], None
        if gets and step < len(mine):
            sent = [p.contiguous() for term in mine[step].terms for p in term.parts()]
            operations += [dist.P2POp(dist.isend, p, group=group, group_peer=behind) for p in sent]
        if makes and step < len(theirs):
            num = _len(theirs[step])
            terms, tensors = [], []
            for term in mine[0].terms:
                parts = [p.new_empty(num, *p.shape[1:]) for p in term.parts()]
                terms.append(term.rebuilt(parts))
                tensors += parts
            right = Chunk(theirs[step], terms)
            operations += [
                dist.P2POp(dist.irecv, p, group=group, group_peer=ahead) for p in tensors
            ]
        for work in dist.batch_isend_irecv(operations) if operations else []:
            work.wait()
        if right is not None:
            for left in mine:
                rows = slice(left.rows.start - own.start, left.rows.stop - own.start)
                add_tile(tile[rows, right.rows], left, right, problem.gram)
    return tile if makes else None


def _swap(
    tile: Tensor | None,
    shape: Tensor,
    ahead: int,
    behind: int,
    makes: bool,
    gets: bool,
    group: dist.ProcessGroup | None,
) -> Tensor | None:
    """Send the tile's transpose ahead, to the rank whose rows it is; return the one from behind."""
    operations, back = [], None
    if makes and tile is not None:
        sent = tile.T.contiguous()
        operations.append(dist.P2POp(dist.isend, sent, group=group, group_peer=ahead))
    if gets:
        back = torch.empty_like(shape, memory_format=torch.contiguous_format)
        operations.append(dist.P2POp(dist.irecv, back, group=group, group_peer=behind))
    for work in dist.batch_isend_irecv(operations) if operations else []:
        work.wait()
    return back


def _len(rows: slice) -> int:
    return rows.stop - rows.start
