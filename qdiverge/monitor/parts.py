"""What a monitor is made of, put together for one run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qdiverge.diagnostics import Diagnostic
from qdiverge.monitor.alarms import Alarms
from qdiverge.monitor.audit_notes import AuditNotes
from qdiverge.monitor.early_look import EarlyLook
from qdiverge.monitor.foresight.foresight import Foresight
from qdiverge.monitor.foresight.foresight_notes import ForesightNotes
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.loop_audit import LoopAudit
from qdiverge.monitor.measuring import Measuring
from qdiverge.monitor.progress import Progress
from qdiverge.monitor.reminder import Reminder
from qdiverge.monitor.snapshots import Keeping, SnapshotRecorder
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.target_notes import TargetNotes
from qdiverge.monitor.telling import Telling
from qdiverge.runs import RunLog


@dataclass(frozen=True)
class Parts:
    """What looks at a run, and where it writes.

    Attributes:
        subject: The run.
        log: Where all is written.
        progress: How far the run is.
        guard: Of errors.
        measuring: The diagnostics, and the time that they may take.
        keeping: Updates that are kept whole.
        alarms: What fired.
        telling: Says what is wrong with the loop.
        reminder: Of batches or updates that do not come.
        target: How the target follows.
        loop_audit: Audits of the run's own updates.
        audit_notes: Has them made, and notes them.
        foresight: Copies that run ahead.
        ahead: Has them run, and notes what they say.
        early: max|Q| between two measurements.
    """

    subject: Subject
    log: RunLog
    progress: Progress
    guard: Guard
    measuring: Measuring
    keeping: Keeping
    alarms: Alarms
    telling: Telling
    reminder: Reminder
    target: TargetNotes
    loop_audit: LoopAudit
    audit_notes: AuditNotes
    foresight: Foresight
    ahead: ForesightNotes
    early: EarlyLook


def put_together(
    subject: Subject,
    log: RunLog,
    clock: Callable[[], int] | None,
    diagnostics: Sequence[Diagnostic] | None,
    log_density: int,
) -> Parts:
    """Return the parts for a run, by its options; see :class:`qdiverge.monitor.Monitor`."""
    options, progress, guard = subject.options, Progress(clock), Guard()
    measuring = Measuring(subject, log, guard, diagnostics, log_density)
    budget = measuring.budget
    budget.num_updates = lambda: progress.num_updates
    keeps = "snapshot" in options.reactions
    keeping = Keeping(SnapshotRecorder(subject, log.folder) if keeps else None, guard, budget)
    alarms = Alarms(log, guard, options.reactions, keeping)
    loop_audit = LoopAudit(subject, guard, budget, options.audit_period)
    foresight = Foresight(subject, guard, budget, options.foresight)
    telling = Telling(alarms, foresight, progress)
    tell = telling.tell
    return Parts(
        subject=subject,
        log=log,
        progress=progress,
        guard=guard,
        measuring=measuring,
        keeping=keeping,
        alarms=alarms,
        telling=telling,
        reminder=Reminder(options.every, tell),
        target=TargetNotes(subject, log, guard, lambda: progress.step, tell),
        loop_audit=loop_audit,
        audit_notes=AuditNotes(loop_audit, subject, log, guard, budget, tell),
        foresight=foresight,
        ahead=ForesightNotes(foresight, log, guard, budget, alarms),
        early=EarlyLook(subject, measuring, guard),
    )
