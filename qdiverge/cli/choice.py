"""Which saved moment of a run a command is about: a checkpoint or a snapshot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from tyro.conf import Positional, arg

from qdiverge.agents.saved_agent import load_agent
from qdiverge.checks import check_positive
from qdiverge.cli.moments import agent_arguments, snapshot_network
from qdiverge.cli.trust import TrustFlag
from qdiverge.errors import InvalidValueError
from qdiverge.monitor import load_snapshot
from qdiverge.runs import Run, load_run
from qdiverge.runs.checkpoints import CheckpointStore


@dataclass(frozen=True)
class Choice:
    """The flags that choose a moment."""

    run: Annotated[Path, Positional, arg(metavar="RUN|SNAPSHOT")]
    """A run folder, or one of its snapshots, RUN/snapshots/UPDATE."""
    step: int | None = None
    """Which checkpoint, in agent steps; by default the newest."""
    snapshot: int | None = None
    """Which snapshot, by its update; by default the newest, where there is no checkpoint."""
    network: str | None = None
    """What builds the network of another trainer's snapshot, as module:callable."""
    transitions: int = 64
    """Transitions to draw for a checkpoint."""
    float64: bool = False
    """Compute in float64, where rounding hides the slowest modes."""
    trust_environment: TrustFlag = False


@dataclass(frozen=True)
class Moment:
    """A saved moment of a run.

    Attributes:
        run: The run.
        title: What it is called.
        facts: Where it lies in the run, ready for JSON.
        arguments: Of :func:`qdiverge.diagnose`.
    """

    run: Run
    title: str
    facts: dict[str, Any]
    arguments: dict[str, Any]


def chosen_moment(choice: Choice) -> Moment:
    """Return the moment that the flags choose.

    Raises:
        InvalidValueError: two are named, there is none, or a network has to be named.
        RunFolderError: there is no run.
        CheckpointError: what was saved is missing or damaged.
    """
    check_positive("transitions", choice.transitions)
    folder, step, update = choice.run, choice.step, choice.snapshot
    if folder.parent.name == "snapshots" and folder.name.isdecimal():
        folder, update = folder.parent.parent, int(folder.name)
    if step is not None and update is not None:
        raise InvalidValueError("--step and --snapshot cannot be given together", got="both")
    run = load_run(folder)
    if step is None and update is None and not CheckpointStore(folder / "checkpoints").steps():
        snapshots = CheckpointStore(folder / "snapshots").steps()
        if not snapshots:
            raise InvalidValueError(
                "the run must have a checkpoint or a snapshot",
                got=f"{folder}, which has neither",
                remedy='Attach with on_alarm="snapshot", or train with qdiverge train.',
            )
        update = snapshots[-1]
    more = {"dtype": torch.float64 if choice.float64 else None}
    if update is None:
        saved = load_agent(folder, step, trust_environment=choice.trust_environment)
        facts: dict[str, Any] = {"step": saved.step, "update": saved.num_updates}
        arguments = agent_arguments(saved, choice.transitions) | more
        return Moment(run, f"{run.name}, agent step {saved.step:,}", facts, arguments)
    snapshot = load_snapshot(folder / "snapshots" / str(update))
    facts = {"snapshot": update, "alarms": [alarm.message for alarm in snapshot.alarms]}
    network = snapshot_network(run, choice.network, trust=choice.trust_environment)
    arguments = snapshot.arguments(network) | more
    return Moment(run, f"{run.name}, before update {update:,}", facts, arguments)
