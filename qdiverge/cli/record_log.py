"""The trainer's records in the log, under CleanRL's metric names."""

from qdiverge.agents.records import EpisodeEnd, Progress, RunEnd, UpdateRecord
from qdiverge.runs import RunLog


def write_record(log: RunLog, record: Progress) -> None:
    """Log a record of the trainer; that it diverged is an alarm like the monitor's."""
    if isinstance(record, EpisodeEnd):
        metrics = {
            "charts/episodic_return": record.score,
            "charts/episodic_length": record.length,  # agent steps
        }
    elif isinstance(record, UpdateRecord):
        metrics = {
            "losses/td_loss": record.loss,
            "losses/q_values": record.q_mean,
            "charts/SPS": record.steps_per_second,
        }
        metrics |= {f"losses/{name}": value for name, value in record.numbers.items()}
        if record.epsilon is not None:
            metrics["charts/epsilon"] = record.epsilon
        if record.alignment is not None:
            metrics["diverge/alignment"] = record.alignment
        if record.temperature is not None:
            metrics["charts/temperature"] = record.temperature
        if record.preqn is not None:
            metrics |= {f"preqn/{name}": float(value) for name, value in vars(record.preqn).items()}
    else:
        if isinstance(record, RunEnd) and record.reason == "divergence":
            log.alarm(record.step, record.update, "loss_not_finite", f"{record.detail}.")
        return
    log.metrics(record.step, metrics)
