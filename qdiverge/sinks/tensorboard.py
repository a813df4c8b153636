"""TensorBoard: a scalar for each metric, a text for each alarm."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdiverge.runs.alarm import PLACES, AlarmEvent
from qdiverge.thing_checks import check_installed, check_path


class TensorBoard:
    """Write TensorBoard event files; look at them with ``tensorboard --logdir runs``.

    Args:
        folder: Where to; by default ``tensorboard`` in the run's own folder.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        need = "the TensorBoard sink needs tensorboard"
        module = check_installed("torch.utils.tensorboard.writer", need, "tensorboard")
        self._make_writer = module.SummaryWriter
        self._folder = None if folder is None else check_path("folder", folder)
        self._writer: Any = None

    def start(self, folder: Path, info: Mapping[str, Any]) -> None:
        """Open the event file, and note the run's settings as a text."""
        self._writer = self._make_writer(str(self._folder or folder / "tensorboard"))
        settings = json.dumps(dict(info), indent=2, default=str)
        self._writer.add_text("run.json", f"```\n{settings}\n```", 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add a scalar for each metric."""
        for key, value in values.items():
            self._writer.add_scalar(key, float(value), step)

    def alarm(self, alarm: AlarmEvent) -> None:
        """Add the alarm's sentence, and a mark that can be seen beside the scalars."""
        self._writer.add_text(PLACES[alarm.kind], f"**{alarm.rule}**: {alarm.message}", alarm.step)
        self._writer.add_scalar(f"{PLACES[alarm.kind]}/{alarm.rule}", 1.0, alarm.step)

    def close(self, status: str) -> None:
        """Note how the run ended, and close the file."""
        self._writer.add_text("status", status, 0)
        self._writer.close()
