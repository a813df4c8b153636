"""Train an agent with a monitor attached: here the two meet, and nowhere else."""

import dataclasses
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.config import DQNConfig
from qdiverge.agents.loop import Trainer
from qdiverge.agents.records import EpisodeEnd, Progress, RunEnd, UpdateRecord
from qdiverge.cli.epochs import Epochs, check_epochs
from qdiverge.cli.live import Live
from qdiverge.diagnostics import Cost
from qdiverge.errors import DivergenceError
from qdiverge.monitor import Loss, Monitor, attach
from qdiverge.runs import RunLog, Sink

LOSSES: dict[str, Loss] = {
    "huber": "huber",
    "mse": "half_squared",
}  # the agent's loss → the monitor's, see td_loss


def watched_loss(config: DQNConfig) -> Loss:
    """The loss whose step the monitor supposes.

    A distribution is watched by its mean, Q = Σ z p, with its exact kernel and TD errors. What it
    is learnt by, the cross-entropy of its logits, is no loss in Q and has no α: there the monitor's
    α is the learning rate of ½δ², so whatever depends on α (the rates of growth, the largest stable
    step) answers for the same network learnt by plain Q-learning. Kernel, row ratios and the sign
    of the self-excitation do not depend on it. (Where the target is a small tilt of p, the
    cross-entropy moves Q as ½δ² does with α / Var(Z).)
    """
    return "half_squared" if config.distributional else LOSSES[config.loss]


@dataclass(frozen=True)
class Watched:
    """How a watched run ended.

    Attributes:
        end: The trainer's last record; None where an alarm or Ctrl-C stopped it.
        folder: The run folder.
        verdict: The monitor's last word.
        num_alarms: How many rules fired.
    """

    end: RunEnd | None
    folder: Path
    verdict: str
    num_alarms: int


def train_watched(
    config: DQNConfig,
    out: Path,
    *,
    seconds: float | None = None,
    stop_beyond_bound: float | None = None,
    stop_on_alarm: bool = False,
    log_period: int = 25,
    every: int = 25,
    cost: Cost = "standard",
    max_overhead: float | None = 0.05,
    sinks: Sequence[Sink] = (),
    epoch_period: int | None = None,
    evaluation_episodes: int = 0,
) -> Watched:
    """Train, logged and watched, with progress on the terminal; a checkpoint marks the end.

    Args:
        config: The agent's numbers.
        out: A new run folder.
        seconds: Wall-clock limit; None: until ``config.total_steps``.
        stop_beyond_bound: End once max|Q| exceeds the soft-divergence bound this many times over.
        stop_on_alarm: Raise at the first alarm.
        log_period: Updates between log lines of the learner.
        every: Updates between measurements.
        cost: The dearest diagnostics to run.
        max_overhead: Share of the run's own time that costly ones may take.
        sinks: Further places for what is logged.
        epoch_period: Agent steps of an epoch, see :class:`qdiverge.cli.epochs.Epochs`.
        evaluation_episodes: Episodes played at the end of each.

    Raises:
        DivergenceError: an alarm fired and ``stop_on_alarm``.
        KeyboardInterrupt: Ctrl-C, after the turn then under way; a second one does not wait.
    """
    check_epochs(epoch_period, evaluation_episodes)
    options = {"every": every, "cost": cost, "max_overhead": max_overhead}
    trainer = Trainer(config, deadline_seconds=seconds, log_period=log_period)
    try:
        info = {
            "seed": config.seed,
            "device": "cpu",
            "monitor": options | {"loss": watched_loss(config)},
        }
        info |= {"deadline_seconds": seconds} if seconds is not None else {}
        settings = dataclasses.asdict(trainer.config)
        log = RunLog(out, settings, step_unit="agent steps", info=info, sinks=sinks)
    except BaseException:
        trainer.close()
        raise
    status = "interrupted"
    checkpoints = Checkpoints(out)
    with Live(out.name, config.total_steps, seconds) as live, _stop_at_ctrl_c(trainer):
        monitor = attach(
            trainer.q_network,
            target=trainer.target_network,
            optimizer=trainer.optimizer,
            discount=config.discount**config.n_step,  # of an n-step target
            loss=watched_loss(config),
            out=log,
            clock=lambda: trainer.agent_step,
            on_alarm="stop" if stop_on_alarm else live.alarm,
            every=every,
            cost=cost,
            max_overhead=max_overhead,
        )
        trainer.transform_batch = monitor.batch
        end = None
        try:
            epochs = Epochs(trainer, log, epoch_period, evaluation_episodes)
            for record in trainer.run():
                _write(log, record)
                epochs.update(record)
                live.update(record, monitor)
                if isinstance(record, RunEnd):
                    end = record
                elif stop_beyond_bound is not None and _is_beyond(monitor, stop_beyond_bound):
                    break
            checkpoints.save(trainer, ended=end.reason if end else "beyond_bound")
            if end and end.reason == "interrupted":
                raise KeyboardInterrupt
            status = "diverged" if end and end.reason == "divergence" else "finished"
        except DivergenceError:
            status = "alarm"
            checkpoints.save(trainer, ended=status)
            raise
        finally:
            trainer.close()
            monitor.close(status)
            log.close(status)
    return Watched(end, out, monitor.verdict, len(monitor.alarms))


@contextmanager
def _stop_at_ctrl_c(trainer: Trainer) -> Iterator[None]:
    """Let the first Ctrl-C end the run between two turns, where it can be saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        trainer.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _write(log: RunLog, record: Progress) -> None:
    """Log a record of the trainer under CleanRL's metric names."""
    if isinstance(record, EpisodeEnd):
        metrics = {
            "charts/episodic_return": record.score,
            "charts/episodic_length": record.length,  # agent steps
        }
    elif isinstance(record, UpdateRecord):
        metrics = {
            "losses/td_loss": record.loss,
            "losses/q_values": record.q_mean,
            "charts/epsilon": record.epsilon,
            "charts/SPS": record.steps_per_second,
        }
        if record.temperature is not None:
            metrics["charts/temperature"] = record.temperature
    else:
        return
    log.metrics(record.step, metrics)


def _is_beyond(monitor: Monitor, times: float) -> bool:
    latest = monitor.latest
    bound = latest.get("diverge/soft_divergence_bound", float("inf"))
    return not latest.get("diverge/q_abs_max", 0.0) <= times * bound
