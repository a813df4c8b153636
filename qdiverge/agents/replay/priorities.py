"""Prioritised sampling (Schaul et al. 2016, arXiv:1511.05952), the proportional variant.

P(i) = p_i^ω / Σ_k p_k^ω,  p_i = |δ_i| + ε,  w_i = (N P(i))^−β / max_j (N P(j))^−β

Where a distribution is learnt, its KL(m ‖ p) stands for |δ_i| (Hessel et al. 2018). A new
transition has the largest p so far, so that it is drawn soon. N cancels. (The paper writes α for ω;
α is the learning rate here.)

Differs from the paper in:

1. The weights are divided by the largest of the batch, not of the whole replay.
"""

import numpy as np
from numpy.typing import NDArray

from qdiverge.errors import InvalidValueError

SMALLEST_PRIORITY = 1e-6  # ε: an error of 0 stays drawable


class SumTree:
    """Non-negative weights under a binary tree of their sums: each change and draw in O(log n).

    Node i is the sum of nodes 2i and 2i + 1, computed anew from them at every change, so nothing
    drifts. The leaves begin at node ``size``.

    Args:
        capacity: How many weights.

    >>> tree = SumTree(4)
    >>> tree.set(np.array([0, 1, 3]), np.array([1.0, 2.0, 5.0]))
    >>> tree.total
    8.0
    >>> tree.find(np.array([0.0, 0.5, 1.0, 2.9, 3.0, 7.9])).tolist()
    [0, 0, 1, 1, 3, 3]
    """

    def __init__(self, capacity: int) -> None:
        self.size = 1 << max(capacity - 1, 0).bit_length()
        self.nodes = np.zeros(2 * self.size, dtype=np.float64)

    @property
    def total(self) -> float:
        """Return the sum of all weights."""
        return float(self.nodes[1])

    def get(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weights at ``index``, [N]."""
        return self.nodes[self.size + index]

    def set(self, index: NDArray[np.int64], weights: NDArray[np.float64] | float) -> None:
        """Replace the weights at ``index``, [N]; of an index that stands twice, the last counts."""
        node = self.size + index
        self.nodes[node] = weights
        while self.size > 1 and len(node) and node[0] > 1:  # all nodes are of one level
            node = node >> 1
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1]

    def find(self, masses: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return where the running sum of the weights first exceeds each mass, [N] in [0, total).

        Returns:
            integers [N]; never one whose weight is 0.
        """
        mass = masses.copy()
        node = np.ones(len(mass), dtype=np.int64)
        while node[0] < self.size:
            left = 2 * node
            below = self.nodes[left]
            to_right = (mass >= below) & (self.nodes[left + 1] > 0)
            mass -= np.where(to_right, below, 0.0)
            node = left + to_right
        return node - self.size


class Priorities:
    """The priorities of the slots of a replay.

    Args:
        capacity: Slots.
        exponent: ω; 0 samples uniformly.
        seed: int or SeedSequence.

    >>> priorities = Priorities(4, exponent=1.0, seed=0)
    >>> priorities.add(np.array([0, 2]))
    >>> priorities.update(np.array([0, 2]), np.array([3.0, -1.0]))
    >>> index, weights = priorities.draw(4, beta=1.0)  # a quarter of the mass each: 3/4 of it is 0
    >>> index.tolist(), (3 * weights).round(3).tolist()
    ([0, 0, 0, 2], [1.0, 1.0, 1.0, 3.0])
    """

    def __init__(
        self, capacity: int, *, exponent: float, seed: int | np.random.SeedSequence
    ) -> None:
        self.exponent = exponent
        self.capacity = capacity
        self.tree = SumTree(capacity)
        self.largest = 1.0  # p of a new transition
        self._rng = np.random.default_rng(seed)

    def add(self, index: NDArray[np.int64]) -> None:
        """Take note that slots [N] now hold a new transition."""
        self.tree.set(index, self.largest**self.exponent)

    def remove(self, index: NDArray[np.int64]) -> None:
        """Take note that slots [N] can no longer be drawn."""
        self.tree.set(index, 0.0)

    def update(self, index: NDArray[np.int64], surprises: NDArray[np.floating]) -> None:
        """Take note of δ or KL [N] of the transitions in slots [N] when last learnt from."""
        p = np.abs(surprises).astype(np.float64) + SMALLEST_PRIORITY
        self.largest = max(self.largest, float(p.max()))
        self.tree.set(index, p**self.exponent)

    def leaves(self) -> NDArray[np.float64]:
        """Return the weights of all slots, p^ω or 0; the sums over them follow."""
        return self.tree.get(np.arange(self.capacity))

    def draw(
        self, batch_size: int, *, beta: float, rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw slots, one from each of N equal parts of the whole mass.

        Args:
            batch_size: N.
            beta: β, how far the weights make up for the uneven sampling; 1: wholly.
            rng: What draws; None: the priorities' own.

        Returns:
            integers [N], and the importance weights w [N].

        Raises:
            InvalidValueError: there is nothing to draw from.
        """
        total = self.tree.total
        if total <= 0:
            raise InvalidValueError("the replay must hold a transition before one can be drawn")
        masses = (np.arange(batch_size) + (rng or self._rng).random(batch_size)) * (
            total / batch_size
        )
        index = self.tree.find(masses)
        drawn = self.tree.get(index)
        return index, ((drawn / drawn.min()) ** -beta).astype(np.float32)
