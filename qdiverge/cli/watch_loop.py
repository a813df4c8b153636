"""Run an agent with a monitor attached: here the two meet, and nowhere else."""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.records import Barrier, RunEnd
from qdiverge.agents.run_loop import Trainer
from qdiverge.cli.ahead import foresight_of, target_rule_of
from qdiverge.cli.epochs import Epochs
from qdiverge.cli.interrupt import calling_at_stop
from qdiverge.cli.last_word import UNSAVED
from qdiverge.cli.live import Live
from qdiverge.cli.record_log import write_record
from qdiverge.cli.subjects import subject
from qdiverge.cli.watch_settings import Watching
from qdiverge.errors import CheckpointError, DivergenceError
from qdiverge.monitor import TENSORS, VALUES, Monitor, attach, dump_state, load_state
from qdiverge.monitor.options import OnAlarm
from qdiverge.monitor.state_check import check_state
from qdiverge.runs import LogMark, RunLog
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.info import NAME as INFO
from qdiverge.runs.info import dump_info, parse_info
from qdiverge.runs.strict_json import of_saved, read_json

LOG_MARK = "log.json"  # of a checkpoint: where the log was


@dataclass(frozen=True)
class Watched:
    """How a watched run ended.

    Attributes:
        end: The trainer's last record; None where an alarm stopped it.
        folder: The run folder.
        verdict: The monitor's last word.
    """

    end: RunEnd | None
    folder: Path
    verdict: str


def watch(
    trainer: Trainer,
    log: RunLog,
    checkpoints: Checkpoints,
    watching: Watching,
    state: dict[str, Any] | None = None,
) -> Watched:
    """Run ``trainer`` to its end, logged, watched, and saved at every barrier and at the end.

    Args:
        trainer: Closed at the end.
        log: Closed at the end.
        checkpoints: Where to save.
        watching: How to watch.
        state: The monitor's, where the run goes on.

    Raises:
        DivergenceError: an alarm fired, and it is to stop at one.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP, after the turn then under way and a last
            checkpoint; a second Ctrl-C does not wait.
    """
    config, name = trainer.config, log.folder.name
    stops: list[str] = []

    def stop(what: str) -> None:
        stops.append(what)
        trainer.stop()

    with (
        log,
        closing(trainer),
        Live(name, config.total_steps, trainer.deadline_seconds) as live,
        calling_at_stop(stop),
    ):
        monitor = attach(
            **subject(trainer.agent, config),
            optimizer=trainer.optimizer,
            out=log,
            clock=lambda: trainer.agent_step,
            on_alarm=reactions(watching, live),
            every=watching.every,
            cost="light" if config.is_preqn else watching.cost,  # its α is not K's
            max_overhead=watching.max_overhead,
            rule=target_rule_of(trainer.agent, config),
            foresight=watching.foresight and foresight_of(trainer, watching.on_alarm == "apply"),
        )
        if state is not None:
            with of_saved(checkpoints.store.folder, CheckpointError):
                monitor.restore(state)
        trainer.transform_batch = monitor.batch
        for remark in remarks(trainer):
            live.remark(remark)
        end, status = None, "interrupted"
        try:
            epochs = Epochs(trainer, log, watching.epoch_period, watching.evaluation_episodes)
            for record in trainer.run():
                write_record(log, record)
                if isinstance(record, RunEnd):  # the last measurements come after, and come again
                    _save(checkpoints, trainer, log, monitor, record.reason)
                    end = record
                epochs.update(record)
                live.update(record, monitor)
                if isinstance(record, Barrier):
                    _save(checkpoints, trainer, log, monitor, ended=None)
                if end is None and _is_beyond(monitor, watching.stop_beyond_bound):
                    _save(checkpoints, trainer, log, monitor, "beyond_bound")
                    break
            if end and end.reason == "interrupted":
                raise KeyboardInterrupt(*stops)
            status = "diverged" if end and end.reason == "divergence" else "finished"
        except DivergenceError:
            status = "alarm"
            _save(checkpoints, trainer, log, monitor, status)
            raise
        finally:
            monitor.close(status)
            log.close(status)
    return Watched(end, log.folder, monitor.verdict)


def reactions(watching: Watching, live: Live) -> OnAlarm:
    """Return what the monitor does at an alarm; a remedy is taken by the foresight."""
    if watching.on_alarm == "stop":
        return "stop"
    return ("log" if watching.on_alarm == "apply" else watching.on_alarm), live.alarm


def _save(
    checkpoints: Checkpoints, trainer: Trainer, log: RunLog, monitor: Monitor, ended: str | None
) -> None:
    is_saved = checkpoints.save(
        trainer,
        ended=ended,
        others=lambda: {
            LOG_MARK: json.dumps(asdict(log.sync())).encode(),
            INFO: dump_info(log.info).encode(),
            **dump_state(monitor.state()),
        },
    )
    if is_saved:
        log.info.pop(UNSAVED, None)
    else:
        log.info[UNSAVED] = trainer.agent_step  # written with the run's last word


def load_mark(store: CheckpointStore, step: int) -> LogMark:
    """Return where the log was at a checkpoint.

    Raises:
        CheckpointError: it does not say.
    """
    path = store.path(step) / LOG_MARK
    mark = read_json(store.read(step, LOG_MARK), LogMark, path, CheckpointError)
    if mark.position < 0:
        raise CheckpointError(f"{path} must hold a place in the log", got=mark.position)
    return mark


def saved_info(store: CheckpointStore, step: int) -> dict[str, Any] | None:
    """Return the copy of ``run.json`` in a checkpoint; None: it is of a version that kept none."""
    if INFO not in store.records(step):
        return None
    return parse_info(store.read(step, INFO), store.path(step))[0]


def load_monitor(store: CheckpointStore, step: int, device: torch.device) -> dict[str, Any]:
    """Return the state of the monitor at a checkpoint.

    Raises:
        CheckpointError: it does not say.
    """
    files, path = {name: store.read(step, name) for name in (VALUES, TENSORS)}, store.path(step)
    state = load_state(files, device, path)
    with of_saved(path / VALUES, CheckpointError):
        check_state(state)
    return state


def remarks(trainer: Trainer) -> list[str]:
    """Return what a user should know before a run begins, in sentences; usually nothing."""
    config, agent = trainer.config, trainer.agent
    slowness = agent.arithmetic.slowness if isinstance(agent, DQN) else None
    sentences = [] if slowness is None else [slowness]
    if config.total_steps <= config.learning_starts:
        sentences.append(
            f"nothing will be learnt: the first update comes after {config.learning_starts:,} "
            f"agent steps, and the run ends at {config.total_steps:,}. Give fewer "
            "--learning-starts, or more --total-steps."
        )
    return sentences


def _is_beyond(monitor: Monitor, times: float | None) -> bool:
    if times is None:
        return False
    latest = monitor.latest
    bound = latest.get("diverge/soft_divergence_bound", float("inf"))
    return not latest.get("diverge/q_abs_max", 0.0) <= times * bound
