"""Train an agent with a monitor attached, from the beginning or from a checkpoint."""

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.saved_agent import config_from_json
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.cli.ahead import take_again
from qdiverge.cli.subjects import watched_loss
from qdiverge.cli.watch_loop import Watched, load_mark, load_monitor, saved_info, watch
from qdiverge.cli.watch_settings import Watching
from qdiverge.errors import CheckpointError, RunFolderError
from qdiverge.runs import RunLog
from qdiverge.runs.strict_json import of_saved
from qdiverge.sinks import as_sink


def train_watched(
    config: AgentConfig, out: Path, watching: Watching, *, seconds: float | None = None
) -> Watched:
    """Train, logged and watched, with progress on the terminal; a checkpoint marks the end.

    Args:
        config: The agent's numbers.
        out: A new run folder.
        watching: How to watch.
        seconds: Wall-clock limit; None: until ``config.total_steps``.

    Raises:
        InvalidValueError: a number is out of range.
        DivergenceError: an alarm fired and ``on_alarm`` is "stop".
        MissingExtraError: what a sink writes to is not installed.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP, after the turn then under way and a last
            checkpoint; a second Ctrl-C does not wait.
    """
    watching.check()
    places = [as_sink(name) for name in watching.sinks]
    trainer = make_trainer(config, seconds, watching.log_period)
    try:
        info = {
            "seed": config.seed,
            "device": config.device,
            "monitor": dataclasses.asdict(watching) | {"loss": watched_loss(config)},
        }
        info |= {"deadline_seconds": seconds} if seconds is not None else {}
        settings = trainer.config.as_json()
        log = RunLog(out, settings, step_unit="agent steps", info=info, sinks=places)
    except BaseException:
        trainer.close()
        raise
    return watch(trainer, log, Checkpoints(out), watching)


def resume_watched(
    out: Path,
    *,
    total_steps: int | None = None,
    seconds: float | None = None,
    from_end: bool = False,
    trust_environment: bool = False,
    on_start: Callable[[int, int, Path], object] = lambda *_: None,
) -> Watched:
    """Go on with a run of :func:`train_watched`, in its folder.

    Args:
        out: The run folder.
        total_steps: Agent steps at which it is to end now; None: as before.
        seconds: Wall-clock limit from now on.
        from_end: Go on where an interruption left it, rather than from the barrier before.
        trust_environment: Whether a module may be imported that its environment names.
        on_start: Told the step, the total and the checkpoint, once nothing can be refused any more.

    Raises:
        RunFolderError: there is no run, it is being written, it has reached its end or diverged.
        CheckpointError: there is no intact checkpoint, or none with a replay.
        DivergenceError: an alarm fired and the run is to stop at one.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP, likewise.
    """
    with ExitStack() as undo:
        log = RunLog.reopen(out)
        undo.callback(log.leave)
        if log.info.get("status") == "diverged":
            raise _diverged(out)
        checkpoints = Checkpoints(out)
        step = checkpoints.newest(from_end=from_end)
        state_then = checkpoints.state(step)
        if log.damage:
            log.info = saved_info(checkpoints.store, step) or {"config": state_then.config}
        if state_then.ended == "divergence":  # and it was killed before it said so
            log.close("diverged", load_mark(checkpoints.store, step).seconds)
            raise _diverged(out)
        settings = log.info.get("config", state_then.config)
        config = config_from_json(settings, trust_environment=trust_environment)
        config = dataclasses.replace(config, total_steps=total_steps or config.total_steps)
        if step >= config.total_steps and log.info.get("status") == "finished":
            raise RunFolderError(
                f"{out} has taken all its steps, and needs more to go on",
                got=f"step {step:,} of {config.total_steps:,}",
                remedy=f"Give more: --total-steps {2 * step}, say.",
            )
        with of_saved(out / "run.json", RunFolderError):
            watching = Watching.from_info(log.info.get("monitor", {}))
            watching.check()
        places = [as_sink(name) for name in watching.sinks]
        with of_saved(checkpoints.store.path(step), CheckpointError):
            trainer = make_trainer(config, seconds, watching.log_period)
        undo.callback(trainer.close)
        checkpoints.restore(trainer, step)
        taken = [remedy for remedy in log.info.get("remedies", []) if remedy["step"] <= step]
        with of_saved(out / "run.json", RunFolderError):
            for remedy in taken:
                take_again(trainer, remedy)
        device = next(trainer.q_network.parameters()).device
        mark = load_mark(checkpoints.store, step)
        state = load_monitor(checkpoints.store, step, device)
        checkpoints.forget_after(step)
        log.info.pop("deadline_seconds", None)
        if "remedies" in log.info:
            log.info["remedies"] = taken
        if seconds is not None:
            log.info["deadline_seconds"] = mark.seconds + seconds
        log.rewind(mark, step, config.as_json(), places)
        undo.pop_all()
    on_start(step, config.total_steps, checkpoints.store.path(step))
    return watch(trainer, log, checkpoints, watching, state)


def make_trainer(config: AgentConfig, seconds: float | None, log_period: int) -> Trainer:
    """Return the trainer of a watched run; with continuous actions it logs the alignment, too."""
    return Trainer(
        config, deadline_seconds=seconds, log_period=log_period, has_alignment=config.is_continuous
    )


def _diverged(out: Path) -> RunFolderError:
    return RunFolderError(
        "the run cannot go on: its loss is not finite any more",
        got=out,
        remedy="That is its result: from any checkpoint it would come to the same end. "
        "Train anew with other settings.",
    )
