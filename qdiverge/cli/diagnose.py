"""``qdiverge diagnose``: the full diagnosis of a saved moment of a run."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from qdiverge.agents.saved import load_agent
from qdiverge.checks import check_positive
from qdiverge.cli.moments import diagnose_agent, diagnose_snapshot
from qdiverge.diagnostics import Diagnosis
from qdiverge.errors import InvalidValueError
from qdiverge.monitor import load_snapshot
from qdiverge.runs import load_run
from qdiverge.runs.checkpoints import CheckpointStore


@dataclass(frozen=True)
class Diagnose:
    """Diagnose a saved moment: will its updates contract or blow up, why, what to change.

    Of a run of qdiverge's own trainer the newest checkpoint, on experience that its agent collects;
    of any run a snapshot (on_alarm="snapshot"), on the very batch of its update. Leaves
    diagnosis.txt and diagnosis.json in the run's folder.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run's folder."""
    step: int | None = None
    """Which checkpoint, in agent steps; by default the newest."""
    snapshot: int | None = None
    """Which snapshot, by its update; by default the newest, where there is no checkpoint."""
    network: str | None = None
    """What builds the network of another trainer's snapshot, as module:callable."""
    transitions: int = 64
    """Transitions to diagnose a checkpoint on."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    options = tyro.cli(Diagnose, prog="qdiverge diagnose", args=list(arguments))
    check_positive("transitions", options.transitions)
    if options.step is not None and options.snapshot is not None:
        raise InvalidValueError("--step and --snapshot cannot be given together", got="both")
    run = load_run(options.run)
    update, step = options.snapshot, options.step
    if update is None and step is None:
        checkpoints = CheckpointStore(options.run / "checkpoints").steps()
        snapshots = CheckpointStore(options.run / "snapshots").steps()
        if not checkpoints and not snapshots:
            raise InvalidValueError(
                "the run must have a checkpoint or a snapshot",
                got=f"{options.run}, which has neither",
                remedy='Attach with on_alarm="snapshot", or train with qdiverge train.',
            )
        step, update = (checkpoints[-1], None) if checkpoints else (None, snapshots[-1])
    if update is not None:
        snapshot = load_snapshot(options.run / "snapshots" / str(update))
        moment = {"snapshot": update, "alarms": [alarm.message for alarm in snapshot.alarms]}
        title = f"{run.name}, before update {update}"
        diagnosis = diagnose_snapshot(snapshot, run, options.network)
    else:
        saved = load_agent(options.run, options.step)
        moment = {"step": saved.step, "update": saved.num_updates}
        title = f"{run.name}, agent step {saved.step}"
        diagnosis = diagnose_agent(saved, options.transitions)
    text = f"{title}\n\n{diagnosis}"
    (options.run / "diagnosis.txt").write_text(text + "\n", encoding="utf-8")
    content = json.dumps(moment | as_json(diagnosis), indent=1, allow_nan=False)
    (options.run / "diagnosis.json").write_text(content + "\n", encoding="utf-8")
    print(text)
    return 0


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the numbers of a diagnosis and its advice; NaN and infinities as strings."""
    stability, contraction = diagnosis.stability, diagnosis.contraction
    numbers = {
        "learning_rate": diagnosis.learning_rate,
        "discount": diagnosis.discount,
        "soft_divergence_bound": diagnosis.bound,
        "q_abs_max": diagnosis.q_values["diverge/q_abs_max"],
        "td_error_abs_mean": float(diagnosis.td_errors.abs().mean()),
        "clipped_share": diagnosis.clipped_share,
        "linearisation_error": diagnosis.linearisation_error,
        "forecast": diagnosis.forecast,
        "spectral_radius": stability.spectral_radius,
        "self_excitation": stability.self_excitation,
        "certified_modulus": stability.certified_modulus,
        "max_learning_rate": stability.max_learning_rate,
        "transient_gain": stability.transient_gain,
        "fraction_holding": contraction.fraction_holding,
        "modulus": contraction.modulus,
    }
    return {
        "verdict": stability.verdict,
        **{key: value if math.isfinite(value) else str(value) for key, value in numbers.items()},
        "layers": diagnosis.attribution.layers,
        "advice": list(diagnosis.advice),
    }
