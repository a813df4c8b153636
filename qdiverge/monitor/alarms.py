"""The alarms of one run: which rules have fired, and what happens at an alarm."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from qdiverge.calling import is_signal
from qdiverge.errors import DivergenceError
from qdiverge.monitor.foresight.outlook import FORESEEN
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.measuring import Measurement
from qdiverge.monitor.options import Reaction
from qdiverge.monitor.reminder import speak
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.monitor.rules.past import History, Past
from qdiverge.monitor.rules.thresholds import THRESHOLDS
from qdiverge.monitor.snapshots import Keeping
from qdiverge.runs import AlarmEvent, RunLog
from qdiverge.update import Finding

STOPPING = {FORESEEN} | {rule.name for rule in ALARM_RULES if rule.stops}


class Alarms:
    """The alarm rules of a run, asked after each measurement; each of them fires once.

    Args:
        log: Where alarms are written.
        guard: Of errors.
        reactions: What else happens at an alarm.
        keeping: Keeps the update of an alarm, with ``on_alarm="snapshot"``.

    Attributes:
        events: What fired so far, oldest first.
        stopped_by: The alarm that ends the run, with ``on_alarm="stop"``; None: it goes on.
    """

    def __init__(
        self, log: RunLog, guard: Guard, reactions: Sequence[Reaction], keeping: Keeping
    ) -> None:
        self.events: list[AlarmEvent] = []
        self.stopped_by: AlarmEvent | None = None
        self._for_loop: Exception | None = None
        self._log, self._guard, self._reactions = log, guard, reactions
        self._keeping = keeping
        self._history = History({f"diverge/{name}" for rule in ALARM_RULES for name in rule.needs})

    def check(self, measured: Measurement) -> list[AlarmEvent]:
        """Return the alarms that a new measurement gives rise to; none is raised yet."""
        self._history.add(measured.update, measured.metrics)
        moment = measured.moment
        past = Past(self._history.tracks(), moment.bound, moment.learning_rate, moment.reward_bound)
        fired_before = {alarm.rule for alarm in self.events}
        alarms = []
        for rule in ALARM_RULES:
            if rule.name in fired_before:
                continue
            with self._guard(f"the alarm rule {rule.name}", measured.update):
                if (message := rule.check(past, THRESHOLDS)) is not None:
                    event = AlarmEvent(
                        measured.step, measured.update, rule.name, message, rule.kind
                    )
                    alarms.append(event)
        return alarms

    def raise_alarm(self, alarm: AlarmEvent) -> None:
        """Log an alarm, have its update kept, and react as was asked for."""
        self.events.append(alarm)
        self._log.alarm(**vars(alarm))
        if alarm.is_alarm:
            self._keeping.alarm(alarm)
        stops = alarm.rule in STOPPING and not alarm.evidence.get("applied")
        for reaction in self._reactions:
            if callable(reaction):
                self._call(reaction, alarm)
            elif reaction == "stop" and stops and self.stopped_by is None:
                self.stopped_by = alarm

    def tell(self, found: Finding, step: int, update: int) -> None:
        """Raise what is wrong with the loop, and say it."""
        event = AlarmEvent(step, update, found.code, found.message, "loop", dict(found.evidence))
        with self._guard("saying what an audit found", update):
            self.raise_alarm(event)
            speak(event)

    @property
    def is_waiting(self) -> bool:
        """Return whether the next batch is to raise something."""
        return self.stopped_by is not None or self._for_loop is not None

    def raise_what_is_meant_for_the_loop(self) -> None:
        """Raise, once, what a callable ``on_alarm`` raised that is no error, as a pruned trial."""
        if (signal := self._for_loop) is not None:
            self._for_loop = None
            raise signal

    def raise_if_stopped(self) -> None:
        """Raise a DivergenceError where an alarm ends the run."""
        if (alarm := self.stopped_by) is not None:
            raise DivergenceError(
                "training was to stop at the first alarm",
                got=f"{alarm.rule} at update {alarm.update}: {alarm.message.rstrip('.')}",
                remedy="See the run's report.",
            )

    def state(self) -> dict[str, Any]:
        """Return what fired, and what the rules look back on."""
        return {"alarms": [asdict(alarm) for alarm in self.events], "past": self._history.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned: rules that fired do not fire again."""
        self.events = [AlarmEvent(**alarm) for alarm in state["alarms"]]
        self._history.restore(state["past"])

    def _call(self, reaction: Callable[[AlarmEvent], object], alarm: AlarmEvent) -> None:
        with self._guard("the callable on_alarm", alarm.update):
            try:
                reaction(alarm)
            except Exception as raised:
                if not is_signal(raised):
                    raise
                self._for_loop = raised
