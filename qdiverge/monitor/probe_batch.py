"""The probe batch: transitions that stay the same for a while, so that curves can be compared."""

from typing import Any

from torch import Tensor

from qdiverge.checks import check_positive
from qdiverge.transitions import SarsaTransitions, Transitions


class ProbeBatch:
    """The first transitions that were shown, collected anew on schedule.

    The training data are copied, never sampled: no generator of the run is touched, and a buffer
    that reuses its memory cannot change the probe. While a fresh probe fills, the old one serves.

    Args:
        size: How many transitions to hold.
        refresh_period: After how many updates to collect anew.
    """

    def __init__(self, size: int, refresh_period: int) -> None:
        check_positive("probe_size", size)
        check_positive("refresh_period", refresh_period)
        self.size, self.refresh_period = size, refresh_period
        self.reward_bound = 0.0  # the largest |r| in any batch that was shown
        self._held: Transitions | None = None
        self._filling: Transitions | None = None
        self._since = 0

    def state(self) -> dict[str, Any]:
        """Return all that it holds."""
        return {
            "held": None if self._held is None else vars(self._held),
            "filling": None if self._filling is None else vars(self._filling),
            "since": self._since,
            "reward_bound": self.reward_bound,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Hold again what ``state`` returned."""
        held, filling = state["held"], state["filling"]
        self._held = None if held is None else _transitions(held)
        self._filling = None if filling is None else _transitions(filling)
        self._since, self.reward_bound = state["since"], state["reward_bound"]

    @property
    def batch(self) -> Transitions | None:
        """Return the transitions to measure on; None before the first batch came."""
        return self._held if self._held is not None else self._filling

    def wants(self, update: int) -> bool:
        """Return whether the next batch should be copied."""
        is_filling = self._held is None or self._filling is not None
        return is_filling or update - self._since >= self.refresh_period

    def note(self, rewards: Tensor) -> None:
        """Note the largest |r| of a training batch."""
        self.reward_bound = max(self.reward_bound, float(rewards.detach().abs().max()))

    def show(self, batch: Transitions, update: int) -> None:
        """Look at a training batch: note its largest |r|, and copy what is still missing."""
        self.note(batch.rewards)
        if not self.wants(update):
            return
        missing = self.size - (len(self._filling) if self._filling is not None else 0)
        piece = batch.select(slice(0, missing)).clone()
        self._filling = piece if self._filling is None else self._filling.join(piece)
        if len(self._filling) >= self.size:
            self._held, self._filling, self._since = self._filling, None, update


def _transitions(fields: dict[str, Any]) -> Transitions:
    return (SarsaTransitions if "next_actions" in fields else Transitions)(**fields)
