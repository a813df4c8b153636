"""Save a run between two turns of its loop, and put it back.

    weights.safetensors    all networks
    optimizer.safetensors  tensors of the optimisers
    replay-*.npy           the replay in pieces, shared between checkpoints; see segments.py
    priorities.npy         where there are any
    state.json             counters, generators, settings

Nothing of it is ever unpickled.
"""

import json
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from qdiverge.agents.checkpoints.run_generators import dump_generators, load_generators
from qdiverge.agents.checkpoints.segments import SavedReplay, dump_replay, load_replay
from qdiverge.agents.checkpoints.tensors import (
    dump_optimizer,
    dump_weights,
    load_optimizer,
    load_weights,
    optimizer_groups,
)
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.run_loop import Trainer
from qdiverge.errors import CheckpointError
from qdiverge.plain_text import few, warn
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.strict_json import of_saved, read_json

WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
AGENT_FILES = (WEIGHTS, OPTIMIZER, STATE)  # enough to act, to evaluate, to diagnose


class Checkpoints:
    """The checkpoints of one run.

    A run without a ``checkpoint_period`` is saved without its replay: it can be looked at, not gone
    on with.

    Args:
        folder: The run's folder.
        keep: How many to keep, and how many of those at barriers; older ones are deleted.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 2) -> None:
        self.store = CheckpointStore(Path(folder) / "checkpoints")
        self.keep = keep
        self._last: tuple[int, int] | None = None  # agent step and updates of the last one
        self._replay: SavedReplay | None = None
        self._has_warned = False

    def save(
        self,
        trainer: Trainer,
        *,
        ended: str | None = None,
        others: Callable[[], Mapping[str, bytes]] = dict,
    ) -> bool:
        """Save ``trainer``, which must stand at a barrier or have ended.

        A disk that is full, or whatever else keeps it from being written, is a warning, the first
        time; the checkpoints there are stay as they are.

        Args:
            trainer: Read only.
            ended: Why the run ended; None: it goes on.
            others: Gives more files, by name.

        Returns:
            Whether there is a checkpoint of this moment.
        """
        now = (trainer.agent_step, trainer.num_updates)
        if now == self._last:
            return True
        try:
            self._write(trainer, ended, others)
            self._last = now
            self._prune()
        except OSError as error:
            if isinstance(error, FileNotFoundError):  # perhaps of what was to be shared
                self._replay = None
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"qdiverge: the checkpoint of step {trainer.agent_step} could not be written "
                    f"to {self.store.folder} ({error.strerror}); training goes on, and earlier "
                    "checkpoints are kept. Make room for the next one.",
                    stacklevel=2,
                )
        return now == self._last

    def newest(self, *, from_end: bool = False) -> int:
        """Return the step of the newest checkpoint that verifies and that the run can go on from.

        One that was written when the run was interrupted is no barrier, and going on from there
        gives another run than one that was never interrupted: it is taken where there is no other.

        Only who holds the run may ask: what a kill left amid its work is cleared up, and what is
        damaged and can be mended is, with a warning.

        Args:
            from_end: Take it where it is the newest, too.

        Raises:
            CheckpointError: there is none. A damaged one is a warning that names the file.
        """
        self.store.sweep()
        second_choice, errors = None, []
        for step in reversed(self.store.steps()):
            try:
                mended = self.store.mend(step)
                ended = self.state(step).ended
            except CheckpointError as error:
                errors.append(error)
                continue
            if mended:
                self._mend_before(step)  # they share it
                warnings.warn(
                    f"qdiverge: {self.store.path(step)} was damaged and is mended: "
                    f"{', '.join(mended)}. Nothing is lost; look after the disk.",
                    stacklevel=3,
                )
            if ended != "interrupted" or from_end:
                return chosen(self.store, step, errors)
            second_choice = step if second_choice is None else second_choice
        return chosen(self.store, second_choice, errors)

    def restore(self, trainer: Trainer, step: int) -> None:
        """Put a checkpoint, which has been verified, into a trainer that has not run yet.

        Args:
            trainer: Of the same settings; more ``total_steps`` are fine.
            step: Which checkpoint.

        Raises:
            CheckpointError: it holds no replay, or is of another version or network.
        """
        folder, files = self.store.path(step), self.store.records(step)
        state = self.state(step)
        check_network(state, trainer.make_q_network)
        if state.replay is None:
            raise CheckpointError(
                "to go on, a checkpoint must hold its replay",
                got=f"{folder}, of a run with checkpoint_period {trainer.config.checkpoint_period}",
                remedy="Train anew with a --checkpoint-period.",
            )
        load_networks(trainer.agent, self.store, step, state)
        with of_saved(folder, CheckpointError):
            load_generators(trainer, state.generators)
            num_actions = trainer.environments.num_actions or None  # 0: they are continuous
            self._replay = load_replay(trainer.replay, folder, state.replay, files, num_actions)
        trainer.agent_step, trainer.updates.number = state.step, state.updates
        trainer.steps_learnt, trainer.num_restarts = state.steps_learnt, state.restarts
        self._last = (trainer.agent_step, trainer.num_updates)

    def forget_after(self, step: int) -> None:
        """Delete what is newer than ``step``, where the run is about to go on: it comes again."""
        for newer in self.store.steps():
            if newer > step:
                self.store.remove(newer)

    def state(self, step: int) -> "State":
        """Return the counters, settings and generators of a checkpoint.

        Raises:
            CheckpointError: it is none.
        """
        return read_state(self.store, step)

    def _write(
        self, trainer: Trainer, ended: str | None, others: Callable[[], Mapping[str, bytes]]
    ) -> None:
        with self.store.writing(trainer.agent_step) as writer:
            replay = None
            if trainer.config.checkpoint_period:
                replay = dump_replay(writer, trainer.replay, self._replay)
            writer.write(WEIGHTS, dump_weights(trainer.agent))
            writer.write(OPTIMIZER, dump_optimizer(trainer.agent))
            for name, data in others().items():
                writer.write(name, data)
            state = {
                "step": trainer.agent_step,
                "updates": trainer.num_updates,
                "steps_learnt": trainer.steps_learnt,
                "restarts": trainer.num_restarts,
                "ended": ended,
                "config": trainer.config.as_json(),
                "is_network_given": trainer.make_q_network is not None,
                "generators": dump_generators(trainer),
                "optimizer": optimizer_groups(trainer.agent),
                "replay": replay,
            }
            writer.write(STATE, json.dumps(state, indent=1).encode())
        if replay is not None:
            self._replay = SavedReplay.from_json(
                self.store.path(trainer.agent_step), replay, writer.files
            )

    def _mend_before(self, step: int) -> None:
        for older in self.store.steps():
            if older < step:
                with suppress(CheckpointError):
                    self.store.mend(older)

    def _prune(self) -> None:
        """Keep the newest ones, and the newest at barriers, which no other may push out."""
        steps = self.store.steps()
        barriers = [step for step in steps if self._is_at_barrier(step)]
        for step in set(steps[: -self.keep]) - set(barriers[-self.keep :]):
            self.store.remove(step)

    def _is_at_barrier(self, step: int) -> bool:
        try:
            return self.state(step).ended is None
        except CheckpointError:  # damaged
            return False


class State(msgspec.Struct):
    """What ``state.json`` holds: counters, settings, the states of generators and optimisers."""

    step: int
    updates: int
    config: dict[str, Any]
    optimizer: list[dict[str, Any]]
    steps_learnt: int = 0
    restarts: int = 0
    ended: str | None = None
    is_network_given: bool = False
    generators: dict[str, Any] = {}
    replay: dict[str, Any] | None = None


def read_state(store: CheckpointStore, step: int) -> State:
    """Return the counters, settings and generators of a checkpoint.

    Raises:
        CheckpointError: it is none.
    """
    content, path = store.read(step, STATE), store.path(step) / STATE
    return read_json(content, State, path, CheckpointError)


def load_networks(agent: Agent, store: CheckpointStore, step: int, state: State) -> None:
    """Put weights and the state of the optimisers of a checkpoint into an agent.

    Raises:
        CheckpointError: they are those of another network.
    """
    folder = store.path(step)
    with of_saved(folder, CheckpointError):
        load_weights(agent, store.read(step, WEIGHTS), folder / WEIGHTS)
        optimizer = store.read(step, OPTIMIZER)
        load_optimizer(agent, optimizer, state.optimizer, folder / OPTIMIZER)


def check_network(state: State, make_q_network: MakeNetwork | None) -> None:
    """Refuse to put weights into a network of another make, which may fit and play otherwise.

    Args:
        state: Of a checkpoint.
        make_q_network: What the network that is there was made by; None: its configuration.

    Raises:
        CheckpointError: the trainer that was saved had one, and here is none, or the reverse.
    """
    is_given = state.is_network_given
    if is_given != (make_q_network is not None):
        raise CheckpointError(
            "the network must be that of the checkpoint, which "
            + ("make_q_network made" if is_given else "its configuration describes"),
            got=f"{'a' if make_q_network else 'no'} make_q_network",
            remedy="In Python, pass the one that the trainer had." if is_given else "Leave it out.",
        )


def chosen(store: CheckpointStore, step: int | None, errors: list[CheckpointError]) -> int:
    """Return the step that was chosen, with a warning for each newer one that is damaged.

    Raises:
        CheckpointError: there is none, or none intact.
    """
    if step is None:
        raise CheckpointError(
            f"an intact checkpoint was expected in {store.folder}",
            got=" ".join(few([str(error) for error in errors])) or "none",
            remedy="A run writes one every checkpoint_period agent steps, and one when it ends.",
        )
    for text in few([f"{error} Step {step} is taken instead." for error in errors]):
        warn(text, stacklevel=4)
    return step
