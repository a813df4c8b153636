"""What is made known of copies that run ahead: their fan, what they call, why there are none."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qdiverge.monitor.alarms import Alarms
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.foresight.foresight import Foresight
from qdiverge.monitor.foresight.outlook import FORESEEN, Forecast
from qdiverge.monitor.guard import Guard
from qdiverge.runs import AlarmEvent, RunLog


class ForesightNotes:
    """Lets copies run ahead where that is due, and tells the log and the user.

    Args:
        foresight: What runs ahead.
        log: Where fans are kept, ``arrays/foresight-STEP.npz``.
        guard: Of errors.
        budget: The time that it may take.
        alarms: Where a call is raised.
    """

    def __init__(
        self, foresight: Foresight, log: RunLog, guard: Guard, budget: Budget, alarms: Alarms
    ) -> None:
        self._foresight, self._log, self._guard = foresight, log, guard
        self._budget, self._alarms = budget, alarms

    def look(
        self,
        data: Any,
        read: Callable[[Any], Any] | None,
        update: int,
        step: int,
        last_move: int,
        limit: Callable[[], float],
    ) -> None:
        """Show a batch to what runs ahead; see :meth:`Foresight.show`."""
        forecast = self._foresight.show(data, read, update, last_move=last_move, limit=limit)
        if forecast is None:
            return
        with self._guard("logging a look ahead", update), self._budget.charge("log"):
            self._log.arrays("foresight", step, _arrays(forecast))
            self._log.note({"foresight": self._foresight.summary()})
        if forecast.is_call:
            self._call(forecast, update, step)

    def _call(self, forecast: Forecast, update: int, step: int) -> None:
        """Raise the alarm; where the run is to take the remedy, take it first."""
        apply, message, evidence = self._foresight.options.apply, forecast.message, {}
        if apply is not None and forecast.setting:
            with self._guard("applying a remedy", update):
                apply(forecast.setting)
                self._foresight.took(forecast.setting)
                message, evidence = f"{message} It was applied.", {"applied": True}
                taken = {"step": step, "update": update, **forecast.setting}
                self._log.note({"remedies": [*self._log.info.get("remedies", []), taken]})
        with self._guard("an alarm", update):
            evidence |= forecast.numbers
            self._alarms.raise_alarm(AlarmEvent(step, update, FORESEEN, message, evidence=evidence))

    def close(self, update: int) -> None:
        """Note how often copies ran ahead, or why none did."""
        with self._guard("noting the looks ahead", update):
            if self._foresight.options.is_on:
                self._log.note({"foresight": self._foresight.summary()})
        self._foresight.close()


def _arrays(forecast: Forecast) -> dict[str, np.ndarray]:
    """Return the fan; beside it what each remedy does, as far as it was rehearsed."""
    arrays = {name: np.asarray(values) for name, values in forecast.fan.items()}
    arrays |= {"update": np.asarray(forecast.update), "limit": np.asarray(forecast.limit)}
    if forecast.remedies:
        arrays["remedies"] = np.asarray(list(forecast.remedies))
        arrays["held"] = np.asarray([name == forecast.remedy for name in forecast.remedies])
    for k, curve in enumerate(forecast.remedies.values()):
        arrays |= {f"remedy_{k}_{name}": np.asarray(values) for name, values in curve.items()}
    return arrays
