"""The audit of the update under way: carried out where it is due, billed, and noted."""

from collections.abc import Callable
from typing import Any

from qdiverge.monitor.budget import Budget
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.loop_audit import LoopAudit
from qdiverge.monitor.subject import Subject
from qdiverge.runs import RunLog
from qdiverge.update import Finding

StepArguments = tuple[tuple[Any, ...], dict[str, Any]]


class AuditNotes:
    """Has the update under way audited, and tells ``run.json`` and the user.

    Args:
        audit: What audits.
        subject: The run.
        log: Where it is noted.
        guard: Of errors.
        budget: The time that it may take.
        tell: Says what is wrong with the loop.
    """

    def __init__(
        self,
        audit: LoopAudit,
        subject: Subject,
        log: RunLog,
        guard: Guard,
        budget: Budget,
        tell: Callable[[Finding], None],
    ) -> None:
        self._audit, self._subject, self._log = audit, subject, log
        self._guard, self._budget, self._tell = guard, budget, tell
        self._noted = ("", "")  # why no more are made, and the rule, as ``run.json`` has them
        if audit.is_off:
            log.note({"audit": audit.summary()})

    def look(self, update: int) -> None:
        """Audit an update, where it is due; what a look that is none costs is billed."""
        audit, begin = self._audit, self._budget.now()
        if not audit.is_awaited:
            audit.pass_over()
            self._budget.calls += self._budget.now() - begin
            return
        for found in audit.before_step(update):
            self._tell(found)
        if audit.num_audits and self._noted != (audit.why_not, str(self._subject.rule)):
            self.note(update)

    def note(self, update: int) -> None:
        """Note in ``run.json`` what the audits say."""
        with self._guard("noting the audits", update), self._budget.charge("log"):
            words = str(self._subject.rule)
            rule = {"update_rule": words} if self._audit.num_audits else {}
            self._noted = self._audit.why_not, words
            self._log.note({"audit": self._audit.summary()} | rule)


def after_closure(
    closure: Callable[[], Any],
    look: Callable[[], None],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> StepArguments:
    """Return a step's arguments with a closure that looks once the gradient is there.

    Args:
        closure: The step's own, which makes the gradient.
        look: To be called after it.
        args: Of the optimiser's step, itself among them.
        kwargs: The others.
    """

    def looked_at() -> Any:
        loss = closure()
        look()
        return loss

    if len(args) > 1:
        return (args[0], looked_at, *args[2:]), kwargs
    return args, kwargs | {"closure": looked_at}
