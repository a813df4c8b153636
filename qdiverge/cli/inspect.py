"""``qdiverge inspect RUN``: one moment of a run on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from qdiverge.agents.saved import load_agent
from qdiverge.checks import check_positive
from qdiverge.cli.moments import action_names, agent_arguments, snapshot_network
from qdiverge.errors import InvalidValueError
from qdiverge.monitor import load_snapshot
from qdiverge.report.inspector import inspect
from qdiverge.runs import Run, load_run
from qdiverge.runs.checkpoints import CheckpointStore


@dataclass(frozen=True)
class Inspect:
    """Write one page on a saved moment: kernel, worst rows, layers, and the pairs that push.

    Of a run of qdiverge's own trainer the newest checkpoint, on experience that its agent collects;
    of any run a snapshot (on_alarm="snapshot"), on the very batch of its update.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|SNAPSHOT")]
    """A run folder, or one of its snapshots, RUN/snapshots/UPDATE."""
    step: int | None = None
    """Which checkpoint, in agent steps; by default the newest."""
    snapshot: int | None = None
    """Which snapshot, by its update; by default the newest, where there is no checkpoint."""
    network: str | None = None
    """What builds the network of another trainer's snapshot, as module:callable."""
    transitions: int = 64
    """Transitions of a checkpoint to look at."""
    out: Path | None = None
    """The page; by default moment-STEP.html in the run's folder."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    options = tyro.cli(Inspect, prog="qdiverge inspect", args=list(arguments))
    check_positive("transitions", options.transitions)
    folder, update, step = options.run, options.snapshot, options.step
    if folder.parent.name == "snapshots" and folder.name.isdecimal():
        folder, update = folder.parent.parent, int(folder.name)
    if step is not None and update is not None:
        raise InvalidValueError("--step and --snapshot cannot be given together", got="both")
    run = load_run(folder)
    if step is None and update is None and not CheckpointStore(folder / "checkpoints").steps():
        snapshots = CheckpointStore(folder / "snapshots").steps()
        update = snapshots[-1] if snapshots else None
    asked: dict[str, Any]
    if update is not None:
        snapshot = load_snapshot(folder / "snapshots" / str(update))
        asked = snapshot.arguments(snapshot_network(run, options.network))
        title, name = f"{run.name}, before update {update:,}", f"moment-update-{update}.html"
    else:
        saved = load_agent(folder, step)
        asked = agent_arguments(saved, options.transitions)
        title, name = f"{run.name}, agent step {saved.step:,}", f"moment-{saved.step}.html"
    print(_write(run, asked, options.out or folder / name, title))
    return 0


def _write(run: Run, asked: dict[str, Any], out: Path, title: str) -> Path:
    return inspect(**asked, out=out, title=title, action_names=action_names(run))
