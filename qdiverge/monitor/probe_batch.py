"""The probe batch: transitions that stay the same for a while, so that curves can be compared.

With them goes what a loop multiplies them by: importance weights w_i, and γ^k of each transition.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from qdiverge.checks import check_positive
from qdiverge.transitions import SarsaTransitions, Transitions

FIRST = 256  # updates after which the first probe is collected anew


@dataclass(frozen=True)
class Rows:
    """Transitions, and what each of them is multiplied by.

    Attributes:
        transitions: N of them.
        weights: w_i, [N]; NaN where the batch had none.
        discounts: γ^k, [N]; NaN where the batch had none.
    """

    transitions: Transitions
    weights: Tensor
    discounts: Tensor

    @classmethod
    def of(
        cls, batch: Transitions, weights: Tensor | None = None, discounts: Tensor | None = None
    ) -> Self:
        """Return a copy that shares no memory with the batch."""
        unknown = batch.rewards.new_full((len(batch),), torch.nan)
        given = [unknown if x is None else x.detach().to(unknown) for x in (weights, discounts)]
        return cls(batch.clone(), *(x.clone() for x in given))

    def first(self, count: int) -> "Rows":
        """Return the first rows."""
        parts = (self.weights, self.discounts)
        return Rows(self.transitions.select(slice(0, count)), *(x[:count] for x in parts))

    def join(self, other: "Rows") -> "Rows":
        """Return these rows followed by others."""
        return Rows(
            self.transitions.join(other.transitions),
            torch.cat([self.weights, other.weights]),
            torch.cat([self.discounts, other.discounts]),
        )

    def weights_or(self, default: float) -> Tensor | None:
        """Return w, with ``default`` where a batch had none; None where none had any."""
        return _known(self.weights, default)

    def discounts_or(self, default: float) -> Tensor | None:
        """Return γ^k, with ``default`` where a batch had none; None where none had any."""
        return _known(self.discounts, default)


class ProbeBatch:
    """The first transitions that were shown, collected anew on schedule.

    The training data are copied, never sampled: no generator of the run is touched, and a buffer
    that reuses its memory cannot change the probe. While a fresh probe fills, the old one serves.

    Args:
        size: How many transitions to hold.
        refresh_period: After how many updates to collect anew at the latest; sooner in a young run,
            whose data change faster: when it has doubled its length.
    """

    def __init__(self, size: int, refresh_period: int) -> None:
        check_positive("probe_size", size)
        check_positive("refresh_period", refresh_period)
        self.size, self.refresh_period = size, refresh_period
        self._held: Rows | None = None
        self._filling: Rows | None = None
        self._since = 0

    def state(self) -> dict[str, Any]:
        """Return all that it holds."""
        return {
            "held": None if self._held is None else _state(self._held),
            "filling": None if self._filling is None else _state(self._filling),
            "since": self._since,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Hold again what ``state`` returned."""
        rows, filling = state["held"], state["filling"]
        self._held = None if rows is None else _rows(rows)
        self._filling = None if filling is None else _rows(filling)
        self._since = state["since"]

    @property
    def rows(self) -> Rows | None:
        """Return what to measure on; None before the first batch came."""
        return self._held if self._held is not None else self._filling

    @property
    def batch(self) -> Transitions | None:
        """Return the transitions to measure on; None before the first batch came."""
        return None if (rows := self.rows) is None else rows.transitions

    @property
    def next_wanted(self) -> int:
        """Return the update after which a batch should be copied."""
        if self._held is None or self._filling is not None:
            return 0
        period = min(self.refresh_period, max(FIRST, self._since))  # the run's own: it doubles
        return self._since + period

    def wants(self, update: int) -> bool:
        """Return whether the next batch should be copied."""
        return update >= self.next_wanted

    def show(
        self,
        batch: Transitions,
        update: int,
        weights: Tensor | None = None,
        discounts: Tensor | None = None,
    ) -> None:
        """Look at a training batch, and copy what is still missing.

        Args:
            batch: N transitions.
            update: Updates made.
            weights: Its importance weights, [N].
            discounts: γ^k of each transition, [N].
        """
        if not self.wants(update):
            return
        num_filled = 0 if self._filling is None else len(self._filling.transitions)
        piece = Rows.of(batch, weights, discounts).first(self.size - num_filled)
        self._filling = piece if self._filling is None else self._filling.join(piece)
        if len(self._filling.transitions) >= self.size:
            self._held, self._filling, self._since = self._filling, None, update


def _known(values: Tensor, default: float) -> Tensor | None:
    return None if bool(values.isnan().all()) else values.nan_to_num(nan=default)


def _state(rows: Rows) -> dict[str, Any]:
    return vars(rows.transitions) | {"weights": rows.weights, "discounts": rows.discounts}


def _rows(fields: dict[str, Any]) -> Rows:
    """Return the rows of a state, its very tensors; older checkpoints hold the five alone."""
    own = {k: v for k, v in fields.items() if k not in ("weights", "discounts")}
    unknown = torch.full_like(own["rewards"], torch.nan)
    others = (fields.get(name, unknown) for name in ("weights", "discounts"))
    return Rows(transitions_of(own), *others)


def transitions_of(fields: dict[str, Any]) -> Transitions:
    """Return transitions, of the very tensors."""
    return (SarsaTransitions if "next_actions" in fields else Transitions)(**fields)
