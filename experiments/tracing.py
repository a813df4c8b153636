"""Follow a DQN run from outside: the size of its values, its errors, and where its updates go."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch._dynamo  # a first optimiser does so, which costs seconds: once before cells are forked
from torch import Tensor

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.records import EpisodeEnd, RunEnd, UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.preqn.step import cosine
from qdiverge.td import td_errors, values_of
from qdiverge.transitions import Transitions


@dataclass(frozen=True)
class Sample:
    """An update, seen on its own batch.

    Args:
        step: Agent steps taken.
        update: Its number.
        q_abs_max: max |Q(s_i, a)| over the batch and all actions, before it.
        q_mean: mean Q(s_i, a_i), before it.
        td_abs_mean: mean |δ_i|, before it.
        alignment: cos(Q_θ' − Q_θ, δ) over the pairs of the batch; NaN where nothing moved.
    """

    step: int
    update: int
    q_abs_max: float
    q_mean: float
    td_abs_mean: float
    alignment: float


@dataclass
class Trace:
    """What was seen of a run.

    Attributes:
        samples: Of evenly spaced updates.
        episodes: (agent step, score) of every episode that ended.
        end: Why the run ended: "total_steps", or "divergence" where the loss was not finite.
        cpu_seconds: Of training, with what is measured here.
        finish: What ``finish`` returned.
    """

    samples: list[Sample] = field(default_factory=list)
    episodes: list[tuple[int, float]] = field(default_factory=list)
    end: str = ""
    cpu_seconds: float = 0.0
    finish: Any = None

    def columns(self, num_points: int) -> dict[str, list[float]]:
        """Return the samples as at most ``num_points``: maxima of q_abs_max, means of the rest.

        >>> trace = Trace([Sample(i, i, float(i), 0.0, 0.0, 1.0) for i in range(1, 5)])
        >>> trace.columns(2)["q_abs_max"], trace.columns(2)["step"]
        ([2.0, 4.0], [2, 4])
        """
        groups = np.array_split(np.array(self.samples, dtype=object), num_points)
        rows = [[asdict(sample) for sample in group] for group in groups if len(group)]
        series: dict[str, list[float]] = {
            name: [rounded(_nan_mean([row[name] for row in part])) for part in rows]
            for name in ("q_mean", "td_abs_mean", "alignment")
        }
        series["q_abs_max"] = [rounded(max(row["q_abs_max"] for row in part)) for part in rows]
        return {"step": [part[-1]["step"] for part in rows], **series}


def trace(
    config: DQNConfig,
    num_samples: int,
    *,
    every: Callable[[Trainer, Sample], None] | None = None,
    stop: Callable[[Sample], bool] | None = None,
    finish: Callable[[Trainer], Any] | None = None,
) -> Trace:
    """Train, and look at ``num_samples`` of the updates, evenly spaced.

    The batches are the run's own and no random number is drawn, so the run is what it would be
    unseen.

    Args:
        config: Of the run.
        num_samples: How many updates are looked at.
        every: Called after each of them with the trainer as it stands.
        stop: Ends the run early where it says so.
        finish: Called with the trainer after the run; the trace keeps what it returns.
    """
    num_updates = (config.total_steps - config.learning_starts) // config.train_period
    period = max(1, num_updates // num_samples)
    before: list[tuple[Transitions, Tensor, Tensor, float]] = []

    def look(batch: Transitions) -> Transitions:
        if (trainer.num_updates + 1) % period == 0:
            agent = trainer.agent
            assert isinstance(agent, DQN)
            with torch.no_grad():
                q_all = trainer.q_network(batch.observations)
                δ = td_errors(q_all, batch.actions, agent.targets(batch))
            q = values_of(q_all, batch.actions)
            before[:] = [(batch, q, δ, float(q_all.abs().max()))]
        return batch

    trainer = Trainer(config, transform_batch=look, log_period=period)
    followed, began = Trace(), time.process_time()
    for record in trainer.run():
        if isinstance(record, EpisodeEnd):
            followed.episodes.append((record.step, record.score))
        elif isinstance(record, UpdateRecord):
            batch, q, δ, largest = before.pop()
            with torch.no_grad():
                after = trainer.q_network(batch.observations)
            moved = values_of(after, batch.actions) - q
            sample = Sample(
                record.step, record.update, largest, float(q.mean()), float(δ.abs().mean()),
                cosine(moved, δ),
            )  # fmt: skip
            followed.samples.append(sample)
            if every is not None:
                every(trainer, sample)
            if stop is not None and stop(sample):
                trainer.stop()
        elif isinstance(record, RunEnd):
            followed.end = record.reason
    followed.cpu_seconds = round(time.process_time() - began, 2)
    followed.finish = None if finish is None else finish(trainer)
    return followed


def episode_curve(episodes: list[tuple[int, float]], steps: int, num_points: int) -> dict[str, Any]:
    """Return the mean score of the episodes that ended in equal stretches; None where none did.

    >>> episode_curve([(1, 2.0), (2, 4.0), (9, 1.0)], steps=10, num_points=2)
    {'step': [5, 10], 'score': [3.0, 1.0]}
    """
    edges = np.linspace(0, steps, num_points + 1)
    groups = [
        [score for step, score in episodes if low < step <= high] for low, high in pairwise(edges)
    ]
    return {
        "step": [round(float(edge)) for edge in edges[1:]],
        "score": [rounded(float(np.mean(group))) if group else None for group in groups],
    }


def rounded(value: float) -> float:
    """Round to five significant digits, for tables."""
    return float(f"{value:.5g}")


def _nan_mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
