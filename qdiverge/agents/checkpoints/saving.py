"""Save a run, between two turns of its loop.

    weights.safetensors    both networks
    optimizer.safetensors  its tensors
    state.json             counters, generators, settings

Nothing of it is ever unpickled.
"""

import dataclasses
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdiverge.agents.checkpoints.generators import dump_generators
from qdiverge.agents.checkpoints.tensors import dump_optimizer, dump_weights, optimizer_groups
from qdiverge.agents.loop import Trainer
from qdiverge.runs.checkpoints import CheckpointStore

WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
AGENT_FILES = (WEIGHTS, OPTIMIZER, STATE)  # enough to act, to evaluate, to diagnose


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: The run's folder.
        keep: How many to keep; older ones are deleted.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 2) -> None:
        self.store = CheckpointStore(Path(folder) / "checkpoints")
        self.keep = keep
        self._has_warned = False

    def save(
        self,
        trainer: Trainer,
        *,
        ended: str | None = None,
        others: Mapping[str, bytes] | None = None,
    ) -> bool:
        """Save ``trainer``, which must stand between two of its turns or after the last.

        A disk that is full, or whatever else keeps it from being written, is a warning, the first
        time; the checkpoints there are stay as they are.

        Args:
            trainer: Read only.
            ended: Why the run ended; None: it goes on.
            others: More files, by name.

        Returns:
            Whether the checkpoint is there.
        """
        try:
            with self.store.writing(trainer.agent_step) as writer:
                writer.write(WEIGHTS, dump_weights(trainer.agent))
                writer.write(OPTIMIZER, dump_optimizer(trainer.agent))
                for name, data in (others or {}).items():
                    writer.write(name, data)
                writer.write(STATE, json.dumps(self._state(trainer, ended), indent=1).encode())
            for step in self.store.steps()[: -self.keep]:
                self.store.remove(step)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"qdiverge: the checkpoint of step {trainer.agent_step} could not be written "
                    f"to {self.store.folder} ({error.strerror}); training goes on, and earlier "
                    "checkpoints are kept. Make room for the next one.",
                    stacklevel=2,
                )
            return False
        return True

    def _state(self, trainer: Trainer, ended: str | None) -> dict[str, Any]:
        return {
            "step": trainer.agent_step,
            "updates": trainer.num_updates,
            "ended": ended,
            "config": dataclasses.asdict(trainer.config),
            "generators": dump_generators(trainer),
            "optimizer": optimizer_groups(trainer.optimizer),
        }
