"""From checked inputs to a problem: the method's extraction, and portions that fit in memory."""

from dataclasses import dataclass, replace

from torch import Tensor

from qdiverge.kernel.check_network import check_network, check_range
from qdiverge.kernel.gram import Gram
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.per_sample import jacobian_by_vmap
from qdiverge.kernel.plan import Entry, Plan, Size, block_of
from qdiverge.kernel.problem import Problem
from qdiverge.kernel.reference import jacobian_by_loop
from qdiverge.kernel.sample_mixing import RowValues
from qdiverge.kernel.stream import Extract
from qdiverge.kernel.structured import Structured, TrialRuns, scaled
from qdiverge.kernel.terms import Explicit, Term

CHUNK_BYTES = 160 << 20  # of one chunk's features
PASS_BYTES = 32 << 20  # of one pass's activations
BLOCK_BYTES = 512 << 20  # of the features held at a time
LARGEST_CHUNK = 1024  # samples
SMALL_TILE, LARGE_TILE = 32, 64  # samples: smallest tiles of wide features, and of narrow ones
WIDE_BYTES = 64 << 10  # a sample's features, from which half of a tile's work pays its overhead


@dataclass(frozen=True)
class Options:
    """What the user chose."""

    method: str
    block_size: int | None
    gram: Gram


Plans = dict[tuple, tuple[int, int, Plan]]


@dataclass(frozen=True)
class Jacobian:
    """Makes the terms of a chunk from whole per-sample gradients, by a loop or vectorised."""

    network: Network
    scales: dict[str, Tensor]
    is_loop: bool

    def __call__(self, pairs: Pairs) -> list[Term]:
        """Return one explicit term for each parameter."""
        method = jacobian_by_loop if self.is_loop else jacobian_by_vmap
        rows = method(self.network, pairs, list(self.network.params))
        return [
            Explicit(block_of(name), scaled(j, self.scales.get(name))) for name, j in rows.items()
        ]


def make_problem(
    network: Network,
    x: Pairs,
    y: Pairs | None,
    scales: dict[str, Tensor],
    options: Options,
    plans: Plans | None = None,
) -> Problem:
    """Return the problem of K(X, Y), after trial runs of the network.

    Args:
        network: The network.
        x: The rows.
        y: The columns; None for the rows themselves.
        scales: M by parameter.
        options: What the user chose.
        plans: What earlier trial runs have shown, used for pairs of the same shapes, and added to;
            None: run again.
    """
    is_structured = options.method in ("auto", "structured")
    key = (_shape(x), None if y is None else _shape(y), bool(scales), tuple(network.params))
    if plans is not None and key in plans:
        (num_x, num_y, plan), known = plans[key], None
        check_range(x, num_x)
        check_range(y or x, num_y)
    else:
        (num_x, num_y, plan), known = _tried(network, x, y, scales, options.method)
        if plans is not None:
            plans[key] = num_x, num_y, plan
    rows = _rows(x, y, num_x, num_y)
    chunk = min(_fitting(CHUNK_BYTES, plan.num_bytes), _largest(max(rows)))
    a_pass = min(_fitting(PASS_BYTES, plan.activation_bytes), chunk)
    if is_structured:
        extract: Extract = Structured(network, plan, scales, a_pass, known)
    else:
        extract = Jacobian(network, scales, options.method == "reference")
    num_held = options.block_size or BLOCK_BYTES * max(rows) // max(1, plan.num_bytes * rows[0])
    block = max(1, num_held // chunk) * chunk
    tile = SMALL_TILE if plan.num_bytes >= WIDE_BYTES else LARGE_TILE
    sizes = a_pass, chunk, block, tile
    y = None if y is None else replace(y, begin=len(x))
    return Problem(extract, replace(x, begin=0), y, rows, *sizes, network.dtype, plan, options.gram)


def _tried(
    network: Network, x: Pairs, y: Pairs | None, scales: dict[str, Tensor], method: str
) -> tuple[tuple[int, int, Plan], RowValues]:
    """Return the number of actions on either side and the plan; and values at some of x, then y."""
    trial = TrialRuns.of(network) if method in ("auto", "structured") else None
    known = check_network(network, x, trial)
    num_x = num_y = known.num_actions
    if y is not None:
        of_y = check_network(network, y)
        num_y = of_y.num_actions
        known = known.joined(of_y.moved(len(x)))
    rows, samples = _rows(x, y, num_x, num_y), (len(x), len(y or x))
    size = Size(samples, (samples[0] * rows[0], samples[1] * rows[1]), y is None)
    if trial is None:
        return (num_x, num_y, _plan_of_jacobian(network, size, method)), known
    return (num_x, num_y, trial.plan(size, scales)), known


def _rows(x: Pairs, y: Pairs | None, num_x: int, num_y: int) -> tuple[int, int]:
    """Return rows for each sample of x and of y: all actions, or the chosen one."""
    return (num_x if x.actions is None else 1, num_y if (y or x).actions is None else 1)


def _shape(pairs: Pairs) -> tuple:
    """Return what of some pairs a plan depends on."""
    actions = None if pairs.actions is None else (pairs.actions.shape, pairs.is_critic)
    return pairs.observations.shape, pairs.observations.dtype, actions


def _fitting(budget: int, num_bytes: int) -> int:
    """Return the largest power of two of samples that fits: a function of the network alone."""
    return 1 << (max(1, budget // max(1, num_bytes)).bit_length() - 1)


def _largest(rows: int) -> int:
    return LARGEST_CHUNK // max(1, rows) or 1


def _plan_of_jacobian(network: Network, size: Size, method: str) -> Plan:
    return Plan(
        tuple(
            Entry(
                name=name,
                block=block_of(name),
                rule="loop" if method == "reference" else "per sample",
                form="explicit",
                operations=size.pairs(value.numel()),
                num_bytes=value.numel() * value.element_size() * size.actions,
                reason=f'method="{method}"',
            )
            for name, value in network.params.items()
        )
    )
