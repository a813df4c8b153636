"""Train one agent into a run folder, and play greedily with what it has learnt."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.loop import Trainer
from qdiverge.agents.parts import make_environments
from qdiverge.agents.records import EpisodeEnd, RunEnd
from qdiverge.cli.epochs import Epochs
from qdiverge.runs import RunLog

EVALUATION_EPISODES = 30
EVALUATION_KEY = 4_711  # spawns seeds that no training run has


def train(
    config: DQNConfig,
    folder: Path,
    preset: str,
    *,
    epoch_period: int | None = 0,
    evaluation_episodes: int = EVALUATION_EPISODES,
) -> Path:
    """Train, without a monitor; log every episode, and at the end those of the greedy policy.

    Args:
        config: The agent's numbers.
        folder: A new run folder.
        preset: Under which name ``config`` is known; noted in ``run.json``.
        epoch_period: Agent steps between two measurements of score and held-out values, see
            :class:`qdiverge.cli.epochs.Epochs`; 0: none; None: a fortieth of the run.
        evaluation_episodes: Of the greedy policy at the end.

    Returns:
        The folder.
    """
    trainer = Trainer(config, log_period=100)
    info = {"seed": config.seed, "device": "cpu", "preset": preset}
    try:
        log = RunLog(folder, asdict(config), step_unit="agent steps", info=info)
    except BaseException:
        trainer.close()
        raise
    with log:
        wall, cpu = time.perf_counter(), time.process_time()
        epochs = Epochs(trainer, log, epoch_period)
        for record in trainer.run():
            epochs.update(record)
            if isinstance(record, EpisodeEnd):
                log.metrics(record.step, {"charts/episodic_return": record.score})
            elif isinstance(record, RunEnd):
                log.info["end"] = record.detail
        log.info["training"] = {
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
        }
        for score in play(trainer, evaluation_episodes):
            log.metrics(trainer.agent_step, {"evaluation/episodic_return": score})
    return folder


def play(trainer: Trainer, num_episodes: int) -> list[float]:
    """Scores of the greedy policy in environments of its own, as the run's but for the seed.

    Args:
        trainer: One that has run.
        num_episodes: How many.
    """
    seed = np.random.SeedSequence([trainer.config.seed, EVALUATION_KEY])
    environments = make_environments(replace(trainer.config, num_envs=1), seed)
    try:
        observations, scores = environments.reset(), list[float]()
        while len(scores) < num_episodes:
            step = environments.step(trainer.agent.act(observations))
            scores += [episode.score for episode in step.episodes]
            observations = step.observations
    finally:
        environments.close()
    return scores
