"""Whether rows of a batch influence each other: by their values beside others, by ∂Q_i/∂x_j.

∂Q(x_i)/∂x_j = 0 to the bit for i ≠ j where samples are treated one by one: sums of exact zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import Self

from qdiverge.errors import MixedSamplesError
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs

ROUNDING = 0.75  # the power of eps that a small network's rounding stays below
LARGEST_SPREAD = 1e5  # of values over the least: what lies above is a mask, such as −1e8


def mixes_samples(got: str) -> MixedSamplesError:
    """Return the error of a network that mixes the samples of a batch, from what shows it."""
    return MixedSamplesError(
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


def values_and_mixing(network: Network, pairs: Pairs, beside: Tensor) -> tuple[Tensor, bool]:
    """Return the values at some pairs, and whether a row's depend on another row's inputs.

    The outputs of every other row are weighted and differentiated to the inputs of the rest; where
    the first row's are not quite those that it has ``beside`` others, the other way round, too.
    Inputs that are no numbers, such as ids, have no gradient to look at.
    """
    inputs = [pairs.observations, pairs.actions] if pairs.is_critic else [pairs.observations]
    leaves = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs if x is not None]
    known = [leaf for leaf in leaves if leaf.requires_grad]
    copies = [leaf.view_as(leaf) for leaf in leaves]  # which a network may overwrite
    try:
        seen = Pairs(copies[0], copies[1] if pairs.is_critic else None)
        values = network.values(network.params, seen)
        alone = values.detach()
        is_same = same_rows(beside, alone)
        if not is_same or not known or not values.requires_grad:
            return alone, not is_same
        is_equal = same_rows(beside, alone, ROUNDING)
        return alone, _reaches(values, known, 0) or (not is_equal and _reaches(values, known, 1))
    except (RuntimeError, NotImplementedError):  # it is not differentiable, as with x.numpy()
        alone = network.values(network.params, pairs).detach()
        return alone, not same_rows(beside, alone)


def _reaches(values: Tensor, inputs: list[Tensor], begin: int) -> bool:
    """Return whether the outputs of every second row depend on the inputs of the rest."""
    weights = torch.zeros_like(values)
    weights[begin::2] = _weights(values.shape[1], values)
    gradients = torch.autograd.grad(values, inputs, weights, retain_graph=True, allow_unused=True)
    foreign = [g[1 - begin :: 2] for g in gradients if g is not None]
    return any(bool(g.count_nonzero()) and bool(g.nan_to_num().any()) for g in foreign)  # √0: NaN


def _weights(num: int, like: Tensor) -> Tensor:
    """Return weights that no sum of outputs that is known beforehand has, [A]."""
    return torch.arange(1, num + 1, device=like.device).to(like.dtype).cos()


def same_rows(one: Tensor, other: Tensor, power: float = 0.5) -> bool:
    """Return whether the first rows, as many as both have, agree to what rounding allows.

    That is eps to a ``power``: √eps for whole networks.
    """
    num = min(len(one), len(other))
    one, other = one[:num], other[:num]
    if torch.equal(one, other):
        return True
    if not (one.is_floating_point() and num):
        return False
    allowed = torch.finfo(one.dtype).eps ** power
    return torch.allclose(one, other, rtol=0.0, atol=allowed * _scale(other), equal_nan=True)


def _scale(values: Tensor) -> float:
    """Return the size of what is compared: the largest, but for what masks an action.

    >>> _scale(torch.tensor([[1.0, -2.0, -1e8]])), _scale(torch.tensor([[3.0, -torch.inf]]))
    (2.0, 3.0)
    """
    sizes = values.detach().abs()
    sizes = sizes[(sizes > 0) & (sizes < torch.inf)]
    if not sizes.numel():
        return 0.0
    least, largest = (float(size) for size in sizes.aminmax())
    if largest <= LARGEST_SPREAD * least:
        return largest
    return float(sizes[sizes <= LARGEST_SPREAD * least].amax())


@dataclass(frozen=True)
class RowValues:
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

    def joined(self, other: "RowValues") -> "RowValues":
        """Return what both know."""
        return RowValues(self.rows + other.rows, torch.cat([self.values, other.values]))

    def moved(self, by: int) -> "RowValues":
        """Return the same of pairs that stand behind as many others."""
        return RowValues([row + by for row in self.rows], self.values)

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
        if not here:  # a portion of a large batch may have none of them
            return True
        same = take(pairs, [self.rows[k] - begin for k in here])
        mine, theirs = self.values[here], values[[self.rows[k] - begin for k in here]]
        return same_rows(mine if pairs.is_critic else same.select(mine), theirs)
