"""Whether rows of a batch influence each other: by their values beside others, by ∂Q_i/∂x_j.

∂Q(x_i)/∂x_j = 0 to the bit for i ≠ j where samples are treated one by one: sums of exact zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs

LARGEST_SPREAD = 1e4  # of values over their median: what lies above is a mask, such as −1e8


def mixes_samples(got: str) -> UnsupportedNetworkError:
    """Return the error of a network that mixes the samples of a batch, from what shows it."""
    return UnsupportedNetworkError(
        "q_net must treat each sample by itself",
        got=got,
        remedy="Use per-sample normalisation (LayerNorm, GroupNorm), or call q_net.eval().",
    )


def take(pairs: Pairs, rows: Sequence[int]) -> Pairs:
    """Return the pairs at ``rows``."""
    index = torch.tensor(rows, device=pairs.observations.device)
    actions = None if pairs.actions is None else pairs.actions[index]
    return Pairs(pairs.observations[index], actions)


@dataclass(frozen=True)
class TrialRows:
    """Rows of a few small batches that show whether samples are mixed.

    Whichever row holds an extreme of all, a row that two batches share has another beside it.

    Attributes:
        two: The beginning of ``three``.
        three: Rows far apart.
        others: Each a batch and which row of ``three`` it begins with; without the rest of those.
    """

    two: list[int]
    three: list[int]
    others: list[tuple[list[int], int]]

    @property
    def batches(self) -> list[list[int]]:
        """Return the rows of each batch."""
        return [self.two, self.three, *[rows for rows, _ in self.others]]

    @classmethod
    def of(cls, num: int) -> Self:
        """Return the rows of a batch of ``num``.

        >>> TrialRows.of(8)
        TrialRows(two=[0, 7], three=[0, 7, 3], others=[([3, 1, 6, 2], 2)])
        >>> TrialRows.of(2).others
        [([0, 0, 0, 0], 0), ([1, 1, 1, 1], 1)]
        """
        last = num - 1
        two, middle, quarter = [0, last], last // 2, max(1, last // 4)
        inner = [middle, quarter, last - quarter, (middle + quarter) // 2]
        others = [(inner, 2)] if last > 1 else [([row] * 4, row) for row in sorted(set(two))]
        return cls(two, [*two, middle], others)


def values_and_mixing(network: Network, pairs: Pairs) -> tuple[Tensor, bool]:
    """Return the values at some pairs, and whether a row's depend on another row's inputs.

    The outputs of every other row are weighted and differentiated to the inputs of the rest, and
    the other way round. Inputs that are no numbers, such as ids, have no gradient to look at.
    """
    inputs = [pairs.observations]
    if pairs.is_critic and pairs.actions is not None:
        inputs.append(pairs.actions)
    leaves = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
    known = [leaf for leaf in leaves if leaf.requires_grad]
    copies = [leaf.view_as(leaf) for leaf in leaves]  # which a network may overwrite
    try:
        values = network.values(
            network.params, Pairs(*copies) if pairs.is_critic else Pairs(copies[0], None)
        )
        return values.detach(), bool(known) and _mixes(values, known)
    except (RuntimeError, NotImplementedError):  # it is not differentiable, as with x.numpy()
        return network.values(network.params, pairs).detach(), False


def _mixes(values: Tensor, inputs: list[Tensor]) -> bool:
    """Return whether the outputs of one half of the rows depend on the inputs of the other."""
    if not values.requires_grad:
        return False
    halves = torch.arange(len(values), device=values.device) % 2 == 0
    spread = torch.arange(1, values.shape[1] + 1, device=values.device).to(values.dtype).cos()
    for half in (halves, ~halves):
        weights = half[:, None] * spread
        gradients = torch.autograd.grad(
            values, inputs, weights, retain_graph=True, allow_unused=True
        )
        foreign = [g[~half] for g in gradients if g is not None]
        if any(bool(((g != 0) & ~g.isnan()).any()) for g in foreign):  # of √0 it is NaN
            return True
    return False


def same_rows(one: Tensor, other: Tensor, power: float = 0.5) -> bool:
    """Return whether the first rows, as many as both have, agree to what rounding allows.

    That is eps to a ``power``: √eps for whole networks.
    """
    num = min(len(one), len(other))
    if not one.is_floating_point():
        return torch.equal(one[:num], other[:num])
    tolerance = torch.finfo(one.dtype).eps ** power * _scale(other)
    difference = (one[:num] - other[:num]).abs()
    if bool((difference <= tolerance).all()):
        return True
    return bool(torch.allclose(one[:num], other[:num], rtol=0.0, atol=tolerance, equal_nan=True))


def _scale(values: Tensor) -> float:
    """Return the size of what is compared: the largest, but for what masks an action.

    >>> _scale(torch.tensor([[1.0, -2.0, -1e8]])), _scale(torch.tensor([[3.0, -torch.inf]]))
    (2.0, 3.0)
    """
    sizes = values.detach().abs().flatten()
    sizes = sizes[sizes < torch.inf]
    if not sizes.numel():
        return 0.0
    largest, middle = float(sizes.amax()), float(sizes.median())
    if largest <= LARGEST_SPREAD * middle or middle == 0:
        return largest
    return float(sizes[sizes <= LARGEST_SPREAD * middle].amax())


@dataclass(frozen=True)
class Known:
    """A network's values at some rows of the pairs, as they came out in small batches.

    Attributes:
        rows: R of them.
        values: [R, A], or of a critic [R, 1].
    """

    rows: list[int]
    values: Tensor

    @property
    def num_actions(self) -> int:
        """Return A; 1 of a critic."""
        return self.values.shape[1]

    def joined(self, other: "Known") -> "Known":
        """Return what both know."""
        return Known(self.rows + other.rows, torch.cat([self.values, other.values]))

    def agrees(self, pairs: Pairs, values: Tensor) -> bool:
        """Return whether the same came out in another batch.

        Args:
            pairs: N consecutive ones of those whose rows are meant.
            values: What they have picked of the network's values, [N, A'].
        """
        begin = pairs.begin
        if begin is None:
            return True
        here = [k for k, row in enumerate(self.rows) if begin <= row < begin + len(pairs)]
        same = take(pairs, [self.rows[k] - begin for k in here])
        mine, theirs = self.values[here], values[[self.rows[k] - begin for k in here]]
        return same_rows(mine if pairs.is_critic else same.select(mine), theirs)
