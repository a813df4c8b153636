"""How a target network follows: read off what a few of its numbers become when it moves.

A copy:    θ⁻_new = θ, to the bit, every C updates; C is known once two were seen.
Averaging, every C updates: θ⁻_new = (1 − τ) θ⁻_old + τ θ, so
           τ = (θ⁻_new − θ⁻_old)·(θ − θ⁻_old) / ‖θ − θ⁻_old‖².
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_AVERAGED = 8  # moves that agree on τ before it is believed
MISFIT = 0.02  # of a move's length: what averaging may leave of it, rounding aside
AGREEMENT = 0.02  # of τ: how far one move's may lie from that of all
USEFUL = 0.05  # rounding of a move by which τ is still read off, as a share of its length


class TargetRule:
    """What the moves of a target say together.

    >>> rule, θ = TargetRule(), np.array([1.0, 2.0])
    >>> for update in (10, 20):
    ...     rule.move(update, 0 * θ, update * θ, update * θ)
    >>> rule.fields, rule.why_not
    ({'target_period': 10}, '')
    >>> averaged, slow = TargetRule(), 0 * θ
    >>> for update in range(1, 9):
    ...     before, slow = slow, 0.75 * slow + 0.25 * θ * update
    ...     averaged.move(update, before, slow, θ * update)
    >>> averaged.fields
    {'polyak': 0.25}
    """

    def __init__(self) -> None:
        self.why_not = "it has not moved twice yet"
        self.fields: dict[str, Any] = {}
        self._copies: list[int] = []  # updates before which it was copied: the last three
        self._moves: list[tuple[int, float, float]] = []  # update, Δ·d, d·d of the last averagings

    @property
    def is_settled(self) -> bool:
        """Return whether there is an answer, or a reason why there will be none."""
        return bool(self.fields) or len(self._copies) > 2 or self._is_odd

    @property
    def period(self) -> int | None:
        """Return C, where three copies were so many updates apart."""
        return self.fields.get("target_period") if len(self._copies) > 2 else None

    def move(
        self,
        update: int,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        online: NDArray[np.float64],
        eps: float = 1e-7,
    ) -> None:
        """Take note of a move.

        Args:
            update: Before which it was made.
            before: A few of the target's numbers, [E].
            after: What they became.
            online: Those of the network that learns, after the update before this one.
            eps: Relative rounding of the numbers.
        """
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            return
        if np.array_equal(after, online):
            self._copied(update)
            return
        d, moved = online - before, after - before
        size, square = float(np.linalg.norm(moved)), float(d @ d)
        rounding = eps * float(np.linalg.norm(np.abs(after) + np.abs(before))) / size
        if rounding > USEFUL or square == 0:
            return  # too small a move to tell anything
        share = float(moved @ d) / square
        left = float(np.linalg.norm(moved - share * d)) / size
        if not (0 < share < 1) or left > MISFIT + rounding:
            self._forget("it moves by neither copies nor averages of the network that learns")
            return
        self._averaged(update, float(moved @ d), square)

    def state(self) -> dict[str, Any]:
        """Return all that it holds."""
        return {
            "why_not": self.why_not, "fields": dict(self.fields), "copies": list(self._copies),
            "moves": [list(move) for move in self._moves],
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Hold again what ``state`` returned."""
        self.why_not, self.fields = state["why_not"], dict(state["fields"])
        self._copies = list(state["copies"])
        self._moves = [(int(n), float(a), float(b)) for n, a, b in state["moves"]]

    @property
    def _is_odd(self) -> bool:
        return bool(self._moves) and not self.fields and len(self._moves) >= NUM_AVERAGED

    def _copied(self, update: int) -> None:
        self._moves = []
        self._copies = [*self._copies, update][-3:]
        spans = {int(n) for n in np.diff(self._copies)}
        if len(spans) == 1:
            self.fields, self.why_not = {"target_period": spans.pop()}, ""
        elif spans:
            text = " and ".join(map(str, sorted(spans)))
            self.fields, self.why_not = {}, f"it was copied after {text} updates, by no one period"

    def _averaged(self, update: int, along: float, square: float) -> None:
        self._copies = []
        self._moves = [*self._moves, (update, along, square)][-NUM_AVERAGED:]
        self.fields = {}
        if len(self._moves) < NUM_AVERAGED:
            self.why_not = f"{len(self._moves)} averagings were seen, of {NUM_AVERAGED} needed"
            return
        updates, a, b = (np.array(column) for column in zip(*self._moves, strict=True))
        τ, each = float(a.sum() / b.sum()), a / b
        gaps = set(np.diff(updates).astype(int).tolist())
        if (abs(each / τ - 1) > AGREEMENT).any():
            self.why_not = f"it is averaged with τ between {each.min():.2g} and {each.max():.2g}"
        elif len(gaps) > 1:
            text = " and ".join(map(str, sorted(gaps)))
            self.why_not = (
                f"it is averaged (τ = {few_digits(τ):g}) at intervals of {text} updates, of which "
                "no map is known here"
            )
        else:
            (gap,) = gaps
            self.fields, self.why_not = {"polyak": few_digits(τ)}, ""
            self.fields |= {"averaging_period": gap} if gap > 1 else {}

    def _forget(self, reason: str) -> None:
        self.fields, self.why_not, self._copies, self._moves = {}, reason, [], []


def few_digits(value: float) -> float:
    """Return the number with the fewest digits that is near enough.

    >>> few_digits(0.0050003), few_digits(0.0123)
    (0.005, 0.0123)
    """
    for digits in (1, 2, 3):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded / value - 1) < 1e-3:
            return rounded
    return float(f"{value:.4g}")
