"""Keep one update in memory, from its batch to its step, and write it down when asked.

An alarm speaks of the parameters that were measured, so the update that starts from them is kept:
the one after each measurement, whole, in memory. Once an alarm has fired it is written as soon as
it is done. Where values are not finite any more, the one before is written, the last that was
sound. The cost is a copy of parameters and optimiser state per measurement, and of memory.
"""

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch.utils.hooks import RemovableHandle

from qdiverge.diagnostics.critics import next_actions
from qdiverge.monitor.snapshots.named_tensors import (
    Tensors,
    batch_tensors,
    network_tensors,
    optimizer_settings,
    optimizer_tensors,
    parameters_of,
)
from qdiverge.monitor.snapshots.random_states import random_states
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.untraced import untraced
from qdiverge.runs import AlarmEvent
from qdiverge.runs.checkpoints import CheckpointStore

FOLDER = "snapshots"
STATE = "state.json"


@dataclass
class KeptUpdate:
    """An update: what it started from, its batch, its gradient and where it led."""

    update: int
    settings: dict[str, Any]
    tensors: dict[str, Tensors] = field(default_factory=dict)  # file → name → tensor


class SnapshotRecorder:
    """A copy in memory of the update after each measurement, written at an alarm.

    Args:
        subject: The run.
        folder: The run's folder; what is written goes to ``snapshots/UPDATE`` in it.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self._subject = subject
        self.store = CheckpointStore(folder / FOLDER)
        self._wants = False
        self._current: KeptUpdate | None = None  # the one being made
        self._last: KeptUpdate | None = None  # the last whole one
        self._alarms: list[AlarmEvent] = []  # not yet written
        self._hook: RemovableHandle | None = None

    @property
    def wants_batch(self) -> bool:
        """Return whether the next update is to be kept."""
        return self._wants

    @property
    def is_recording(self) -> bool:
        """Return whether an update is being kept: between its batch and its step."""
        return self._current is not None

    def want(self) -> None:
        """Keep the next update whose batch is shown."""
        self._wants = True

    def alarm(self, alarm: AlarmEvent, *, is_too_late: bool) -> None:
        """Have the next update written; where it is too late, the last that was kept."""
        if is_too_late and self._last is not None:
            self._write(self._last, [alarm])
        else:
            self._alarms.append(alarm)
            self._wants = True

    def begin(self, data: Any, update: int) -> None:
        """Copy what the update with this batch starts from."""
        subject, self._wants = self._subject, False
        tensors = {
            "networks": network_tensors(subject.networks),
            "targets": network_tensors(subject.targets),
            "optimizer": optimizer_tensors(subject.optimizer),
            "batch": batch_tensors(data),
        }
        batch = subject.read(data)
        if subject.policy is not None and batch.actions.is_floating_point():
            following = next_actions(subject.policy, batch.next_observations).actions
            tensors["batch"].setdefault("next_actions", following.clone())
        loss = {} if subject.options.loss is not None else {"loss": subject.rule.loss}
        settings = {
            "update": update,
            "options": subject.options.settings() | loss,
            "learning_rate": subject.learning_rate,
            "random_states": random_states(subject.device),
            "optimizer": optimizer_settings(subject.optimizer, subject.networks),
        }
        self._current = KeptUpdate(update, settings, tensors)
        if self._hook is None:
            self._hook = subject.optimizer.register_step_pre_hook(self._before_step)

    def finish(self) -> None:
        """Copy where the update led, and write it where an alarm waits for it."""
        update_kept, self._current = self._current, None
        self._unhook()
        if update_kept is None:
            return
        update_kept.tensors["after"] = network_tensors(self._subject.networks)
        if self._alarms:
            alarms, self._alarms = self._alarms, []
            self._write(update_kept, alarms)
        self._last = update_kept

    def close(self) -> None:
        """Write what an alarm still waits for, as far as it came, and let everything go."""
        self._unhook()
        if self._alarms and (kept := self._current or self._last) is not None:
            self._write(kept, self._alarms)
        self._current = self._last = None
        self._alarms = []

    @untraced
    def _before_step(self, *_: Any) -> None:
        if self._current is not None:
            self._current.tensors["gradients"] = {
                str(place): parameter.grad.detach().clone()
                for place, parameter in enumerate(parameters_of(self._subject.optimizer))
                if parameter.grad is not None
            }

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _write(self, kept: KeptUpdate, alarms: list[AlarmEvent]) -> None:
        settings = kept.settings | {"alarms": [vars(alarm) for alarm in alarms]}
        try:
            with self.store.writing(kept.update) as writer:
                for name, tensors in kept.tensors.items():
                    plain = {key: tensor.cpu().contiguous() for key, tensor in tensors.items()}
                    writer.write(f"{name}.safetensors", safetensors.torch.save(plain))
                writer.write(STATE, json.dumps(settings, indent=1).encode())
        except OSError as error:
            warnings.warn(
                f"qdiverge: the snapshot of update {kept.update} could not be written to "
                f"{self.store.folder} ({error.strerror}); training goes on.",
                stacklevel=2,
            )
