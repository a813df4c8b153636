"""The update under way: what was shown of it, where it is to be audited.

Most loops show a batch after the step before. One that draws ahead shows it before that step: its
update is of the batch that was shown in the round before, from one step to the next.
"""

from dataclasses import dataclass, field
from typing import Any

from qdiverge.kernel.compiled_parts import has_compiled_parts
from qdiverge.monitor.shown_batch import Ears, Shown, copy_of, joined
from qdiverge.monitor.subject import Subject

MOST_PARTS = 64  # batches whose gradients one step may sum up; more were shown for something else


@dataclass(frozen=True)
class AuditedBatch:
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


@dataclass
class Round:
    """What was shown between two steps, of what was kept.

    Attributes:
        parts: Copies of the batches.
        ears: What hears their next actions.
        entropy_coefficient: As it was when the first was shown.
    """

    parts: list[Shown] = field(default_factory=list)
    ears: Ears | None = None
    entropy_coefficient: float = 0.0

    def hear_no_more(self) -> Shown:
        """Return what was heard."""
        ears, self.ears = self.ears, None
        return {} if ears is None else ears.close()


class UnderWay:
    """Collects the batches between two steps.

    Args:
        subject: The run.

    Attributes:
        num_shown: Batches since the last step.
        is_ahead: Whether each batch is shown before the step of the update before its own.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.num_shown = 0
        self.is_ahead = False
        self._num_served = 0  # updates since the last batch
        self._is_repeated = False  # the batch before served several
        self._now, self._before = Round(), Round()

    @property
    def is_kept(self) -> bool:
        """Return whether the update under way is to be audited: its first batch was kept."""
        return bool((self._before if self.is_ahead else self._now).parts)

    @property
    def is_busy(self) -> bool:
        """Return whether more is under way than one batch for each step."""
        is_kept = bool(self._now.parts or self._before.parts or self._before.ears)
        return is_kept or self._is_repeated or self._num_served != 1

    @property
    def is_collecting(self) -> bool:
        """Return whether the first batch since the last step was kept."""
        return bool(self._now.parts)

    def keep(self, data: Any) -> None:
        """Copy a batch, and hear what the loop does with it; let go of more than a step takes."""
        if len(self._now.parts) == MOST_PARTS:
            self.close()
            return
        part, now = copy_of(data), self._now
        if not now.parts:
            now.entropy_coefficient = self._subject.entropy_coefficient
            if self._before.ears is None:  # one pair of ears hears a network
                now.ears = self._listen(part)
        now.parts.append(part)

    def pass_over(self) -> None:
        """Take note of a step, and of how many the last batch served."""
        if self.num_shown:
            self._is_repeated, self._num_served = self._num_served > 1, 1
        elif self._num_served:
            self._num_served += 1
        self._before.hear_no_more()
        self._before, self._now, self.num_shown = self._now, Round(), 0
        if not self.is_ahead:
            self._before.hear_no_more()

    def take(self) -> tuple[AuditedBatch | None, Shown | None]:
        """Return what was kept, at the step, and the batch that it may be of in its place.

        The first is None where its parts do not go together; the other where none was kept.
        """
        mine, other = (self._before, self._now) if self.is_ahead else (self._now, self._before)
        parts, heard = mine.parts, mine.hear_no_more()
        instead = other.parts[-1] if other.parts else None
        coefficient = mine.entropy_coefficient
        self.pass_over()
        if (shown := joined(parts)) is None:
            return None, None
        if len(parts) == 1:  # of several parts only the first one's a' was heard
            shown |= heard
        return AuditedBatch(shown, len(parts), self._is_repeated, coefficient), instead

    def close(self) -> None:
        """Let go of everything."""
        for each in (self._now, self._before):
            each.hear_no_more()
        self._now, self._before = Round(), Round()

    def _listen(self, part: Shown) -> Ears | None:
        """Hear the next actions of a critic, where the batch does not say them."""
        targets, networks = self._subject.targets, self._subject.networks
        is_known = "next_actions" in part or not part["actions"].is_floating_point()
        if is_known or any(map(has_compiled_parts, [*targets[:1], *networks])):
            return None
        target = targets[0] if targets else None
        return Ears(target, self._subject.policy, part["next_observations"])
