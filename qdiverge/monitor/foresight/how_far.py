"""How far copies run ahead this time: as planned, within the run, its replay and the time."""

from dataclasses import dataclass

from qdiverge.monitor.foresight.at_hand import Cast
from qdiverge.monitor.foresight.judging import Look
from qdiverge.monitor.foresight.outlook import is_stacked
from qdiverge.monitor.foresight.replay_visits import updates_within
from qdiverge.monitor.foresight.timetable import Plan, exact_updates, plan_at

STACKED = 1.5  # updates of the run, that one of all copies costs in one computation


@dataclass(frozen=True)
class Reach:
    """What bounds a look ahead.

    Attributes:
        update: Optimiser updates made before.
        length: Updates that the run makes in all; None: not known.
        steps: Updates that copies may make, by the time that there is.
        num_rows: Transitions in the replay; None: not known.
        batch_size: Of the run.
    """

    update: int
    length: int | None
    steps: float
    num_rows: int | None = None
    batch_size: int = 1

    def plan(self, cast: Cast) -> Plan | None:
        """Return how far to go by the timetable; None: the end, or the replay is too small yet."""
        plan = plan_at(self.update, self.length, cast.source)
        if plan is None or cast.source != "replay":
            return plan
        return plan.cut(updates_within(self.num_rows, self.batch_size, plan.num_updates))

    def look(self, cast: Cast) -> Look | None:
        """Return what is to be rehearsed; None: too little time, the end, or too few data.

        A copy of the run itself comes first: alone it may take all of the time, beside others half.
        """
        plan, exact, num_exact = self.plan(cast), cast.exact, 0
        if plan is not None and exact is not None:
            most = self.steps if cast.source == "live" else self.steps / 2
            cut = Plan(exact_updates(self.update, self.length, cast.source)).cut(most)
            exact, num_exact = (None, 0) if cut is None else (exact, cut.num_updates)
        if plan is not None and cast.source != "live":
            each = STACKED if is_stacked(cast.frozen[0]) else plan.num_orders
            plan = plan.cut((self.steps - num_exact) / (each * len(cast.frozen)))
        if plan is None or (cast.source == "live" and exact is None):
            return None
        left = None if self.length is None else self.length - self.update
        return Look(cast.source, cast.frozen, plan, exact, num_exact, cast.is_faithful, left)
