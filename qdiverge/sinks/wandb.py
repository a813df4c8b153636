"""Weights & Biases, online or offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdiverge.runs.alarm import PLACES, AlarmEvent
from qdiverge.thing_checks import check_installed


class WandB:
    """Log to a run of Weights & Biases; the steps are a metric of their own, ``step``.

    Args:
        run: A run of your own to log into, which stays open; None: one is begun and finished.
        options: For ``wandb.init``, such as ``project``, ``entity``, ``group`` or
            ``mode="offline"``. The console is left alone unless ``settings`` say otherwise.

    Raises:
        MissingExtraError: wandb is not installed.
    """

    def __init__(self, run: Any = None, **options: Any) -> None:
        self._wandb = check_installed("wandb", "the Weights & Biases sink needs wandb", "wandb")
        self._run, self._owns_run = run, run is None
        self._options = {"project": "qdiverge"} | options

    def start(self, folder: Path, info: Mapping[str, Any]) -> None:
        """Begin a run of that name, with the settings as its config."""
        if self._owns_run:
            defaults = {
                "name": info.get("name"),
                "dir": str(folder),
                "reinit": "create_new",  # beside a run that the caller may have open
                "settings": self._wandb.Settings(console="off", silent=True),
            }
            self._run = self._wandb.init(**(defaults | self._options))
        self._run.config.update({"qdiverge": _plain(info)})
        self._run.define_metric("step")
        for group in ("diverge/*", "charts/*", "losses/*"):
            self._run.define_metric(group, step_metric="step")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the metrics of a step."""
        self._run.log({**values, "step": step})

    def alarm(self, alarm: AlarmEvent) -> None:
        """Send an alert, and keep the first step of each rule in the summary."""
        self._run.summary[f"{PLACES[alarm.kind]}/{alarm.rule}"] = alarm.step
        if alarm.kind != "condition":  # a note wakes nobody
            self._run.alert(title=alarm.rule.replace("_", " "), text=alarm.message, level="WARN")

    def close(self, status: str) -> None:
        """Note how the run ended; finish it, unless it is the caller's."""
        self._run.summary["status"] = status
        if self._owns_run:
            self._run.finish(exit_code=0 if status in ("finished", "interrupted") else 1)


def _plain(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``run.json`` says, but for what changes at the end of the run."""
    return {key: value for key, value in info.items() if key not in ("status", "seconds")}
