"""The update under way: what was shown of it since the last step, where it is to be audited."""

from dataclasses import dataclass
from typing import Any

from qdiverge.kernel.network import has_compiled_parts
from qdiverge.monitor.shown import Ears, Shown, copy_of, joined
from qdiverge.monitor.subject import Subject


@dataclass(frozen=True)
class Kept:
    """The batch of one update, as far as the monitor was shown it.

    Attributes:
        shown: What an audit reads of it.
        num_parts: Batches that it was shown in: more than one where gradients are accumulated.
        is_repeated: Batches serve several updates, which may take a part of theirs each.
        entropy_coefficient: η of a soft critic, as it was when the batch was shown.
    """

    shown: Shown
    num_parts: int
    is_repeated: bool
    entropy_coefficient: float

    @property
    def is_critic(self) -> bool:
        """Return whether the actions are an input of the network."""
        return self.shown["actions"].is_floating_point()

    @property
    def is_drawn(self) -> bool:
        """Return whether a' may be another in the loop than is known here."""
        is_known = "next_actions" in self.shown
        is_known &= "next_log_probs" in self.shown or self.entropy_coefficient == 0.0
        return self.is_critic and not is_known


class UnderWay:
    """Collects the batches between two steps.

    Args:
        subject: The run.

    Attributes:
        num_shown: Batches since the last step.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.num_shown = 0
        self._num_served = 0  # updates since the last batch
        self._is_repeated = False  # the batch before served several
        self._parts: list[Shown] = []
        self._ears: Ears | None = None
        self._entropy_coefficient = 0.0

    @property
    def is_kept(self) -> bool:
        """Return whether the update is to be audited: its first batch was kept."""
        return bool(self._parts)

    def keep(self, data: Any) -> None:
        """Copy a batch, and hear what the loop does with it."""
        part = copy_of(data)
        if not self._parts:
            self._entropy_coefficient = self._subject.entropy_coefficient
            self._listen(part)
        self._parts.append(part)

    def pass_over(self) -> None:
        """Take note of a step, and of how many the last batch served."""
        if self.num_shown:
            self._is_repeated, self._num_served = self._num_served > 1, 1
        elif self._num_served:
            self._num_served += 1
        self._parts, self.num_shown = [], 0

    def take(self) -> Kept | None:
        """Return what was kept, at the step; None where its parts do not go together."""
        parts, heard = self._parts, self._hear_no_more()
        self.pass_over()
        if (shown := joined(parts)) is None:
            return None
        if len(parts) == 1:  # of several parts only the first one's a' was heard
            shown |= heard
        return Kept(shown, len(parts), self._is_repeated, self._entropy_coefficient)

    def close(self) -> None:
        """Let go of everything."""
        self._hear_no_more()
        self._parts = []

    def _listen(self, part: Shown) -> None:
        """Hear the next actions of a critic, where the batch does not say them."""
        targets, networks = self._subject.targets, self._subject.networks
        is_known = "next_actions" in part or not part["actions"].is_floating_point()
        if is_known or any(map(has_compiled_parts, [*targets[:1], *networks])):
            return
        target = targets[0] if targets else None
        self._ears = Ears(target, self._subject.policy, part["next_observations"])

    def _hear_no_more(self) -> Shown:
        ears, self._ears = self._ears, None
        return {} if ears is None else ears.close()
