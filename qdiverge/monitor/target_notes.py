"""What is made known of the target network: that it moved, how it follows, that it never moves."""

from collections.abc import Callable
from typing import Any

from qdiverge.monitor.guard import Guard
from qdiverge.monitor.options import OF_TARGET
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.target_watch import TargetWatch
from qdiverge.runs import RunLog
from qdiverge.update import Finding
from qdiverge.update.auditing.findings import finding

PATIENCE = 50_000  # updates in which a target that is alive has moved; DQN's copies: 10,000
LAST_PATIENCE = 10_000  # at the end of a run, after which no copy comes


class TargetNotes:
    """Looks at the target after each update, and tells the log, the subject and the user.

    Args:
        subject: The run; how its target follows is told to it.
        log: Where copies of the target are noted.
        guard: Of errors.
        step: Gives the run's own step.
        tell: Says what is wrong with the loop.
    """

    def __init__(
        self,
        subject: Subject,
        log: RunLog,
        guard: Guard,
        step: Callable[[], int],
        tell: Callable[[Finding], None],
    ) -> None:
        self._subject, self._log, self._guard = subject, log, guard
        self._step, self._tell = step, tell
        look_period = subject.options.every if subject.device.type == "cuda" else 1
        self._watch: TargetWatch | None = None
        if subject.targets:
            self._watch = TargetWatch(subject.targets[0], look_period, subject.networks[0])

    @property
    def last_move(self) -> int:
        """Return the update before which the target was last seen to have moved; 0: not yet."""
        return 0 if self._watch is None else self._watch.last_move

    def glance(self, update: int) -> None:
        """Look as ``look`` does, in the shortest way where nothing moved."""
        watch = self._watch
        if watch is not None and not self._subject.is_target_looked_up:
            if update < watch.next_look:
                return
            if update - watch.last_move != PATIENCE and watch.stands_still():
                return
        self.look(update)

    def look(self, update: int) -> None:
        """See whether the target moved, where that is due; to be called after each update."""
        self.look_up(update)
        if (watch := self._watch) is None or update < watch.next_look:
            return
        try:  # at every update, where a context manager would cost as much as the look
            was_continuous = watch.is_continuous
            if moves := watch.moves(update):
                self._note_rule(watch)
                for move in [] if was_continuous else moves:
                    self._log.target_sync(self._step(), move)
                if watch.is_continuous and not was_continuous:
                    self._log.note({"target_follows": "at nearly every update; no longer logged"})
                if watch.is_continuous and watch.rule.is_settled:
                    self._watch = None
            elif watch.is_learning and update - watch.last_move == PATIENCE:
                self._tell(finding("target_never_moves", num_updates=PATIENCE))
        except Exception as error:
            self._guard.tell("watching the target", update, error, None)

    def look_last(self, update: int) -> None:
        """Say at the end of a run that the target never moved, where it ought to have."""
        watch, period = self._watch, self._subject.rule.target_period or 0
        if watch is None or watch.last_move or not watch.is_learning:
            return
        if max(LAST_PATIENCE, period + 1) <= update < PATIENCE:
            self._tell(finding("target_never_moves", num_updates=update))

    def look_up(self, update: int) -> None:
        """Take the target that the loop bootstraps from now, where a function says it."""
        try:
            if self._subject.look_up_targets() and self._watch is not None:
                self._watch.follow(self._subject.targets[0])
        except Exception as error:
            self._guard.tell("looking up the target", update, error, None)

    def state(self) -> dict[str, Any] | None:
        """Return what another one needs to go on as this one would; None: it looks no more."""
        return None if self._watch is None else self._watch.state()

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from what ``state`` returned."""
        if state is None:
            self._watch = None
        elif self._watch is not None:
            self._watch.restore(state)

    def _note_rule(self, watch: TargetWatch) -> None:
        """Tell the subject how the target follows, where that is new."""
        seen = self._subject.seen
        before = {name: seen[name] for name in OF_TARGET if name in seen}
        if watch.rule.fields != before:
            others = {name: value for name, value in seen.items() if name not in OF_TARGET}
            self._subject.seen = others | watch.rule.fields
            reason = watch.rule.why_not or "seen"
            self._log.note({"target_rule": reason, "update_rule": str(self._subject.rule)})
