"""Train one agent into a run folder, and play greedily with what it has learnt."""

import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.families import parts_of
from qdiverge.agents.records import Barrier, EpisodeEnd, RunEnd
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.cli.epochs import Epochs
from qdiverge.runs import RunLog
from qdiverge.runs.log import LogMark

EVALUATION_EPISODES = 30
EVALUATION_KEY = 4_711  # spawns seeds that no training run has
MARK = "learning.json"  # in a checkpoint: where the log was, and the time spent


def train(
    config: DQNConfig,
    folder: Path,
    preset: str,
    *,
    epoch_period: int | None = 0,
    evaluation_episodes: int = EVALUATION_EPISODES,
) -> Path:
    """Train, without a monitor; log every episode, and at the end those of the greedy policy.

    A run that was killed goes on from the last of its checkpoints, one at every
    ``config.checkpoint_period`` agent steps, and becomes the run that was never killed.

    Args:
        config: The agent's numbers.
        folder: A new run folder, or that of a killed run of the same settings.
        preset: Under which name ``config`` is known; noted in ``run.json``.
        epoch_period: Agent steps between two measurements of score and held-out values, see
            :class:`qdiverge.cli.epochs.Epochs`; 0: none; None: a fortieth of the run.
        evaluation_episodes: Of the greedy policy at the end.

    Returns:
        The folder.
    """
    trainer, checkpoints = Trainer(config, log_period=100), Checkpoints(folder)
    try:
        log, spent = _begun(trainer, checkpoints, folder, preset)
    except BaseException:
        trainer.close()
        raise
    with log:
        wall, cpu = time.perf_counter(), time.process_time()

        def so_far() -> dict[str, float]:
            return {
                "seconds": round(spent["seconds"] + time.perf_counter() - wall, 2),
                "cpu_seconds": round(spent["cpu_seconds"] + time.process_time() - cpu, 2),
            }

        def mark() -> dict[str, bytes]:
            return {MARK: json.dumps({"log": asdict(log.sync()), "spent": so_far()}).encode()}

        epochs = Epochs(trainer, log, epoch_period)
        for record in trainer.run():
            epochs.update(record)
            if isinstance(record, EpisodeEnd):
                log.metrics(record.step, {"charts/episodic_return": record.score})
            elif isinstance(record, Barrier):
                checkpoints.save(trainer, others=mark)
            elif isinstance(record, RunEnd):
                log.info["end"] = record.detail
        log.info["training"] = so_far()
        for score in play(trainer, evaluation_episodes):
            log.metrics(trainer.agent_step, {"evaluation/episodic_return": score})
    return folder


def _begun(
    trainer: Trainer, checkpoints: Checkpoints, folder: Path, preset: str
) -> tuple[RunLog, dict[str, float]]:
    """Begin a log, or put it back to the newest checkpoint; return it and the time it has taken."""
    config = asdict(trainer.config)
    if not checkpoints.store.steps():
        info = {"seed": trainer.config.seed, "device": "cpu", "preset": preset}
        log = RunLog(folder, config, step_unit="agent steps", info=info)
        return log, {"seconds": 0.0, "cpu_seconds": 0.0}
    log = RunLog.reopen(folder)
    try:
        step = checkpoints.newest()
        checkpoints.restore(trainer, step)
        mark = json.loads(checkpoints.store.read(step, MARK))
        checkpoints.forget_after(step)
        log.rewind(LogMark(**mark["log"]), step, config)
    except BaseException:
        log.leave()
        raise
    return log, mark["spent"]


def clear(folder: Path) -> None:
    """Delete a run that was killed before its first checkpoint, so that it can start anew."""
    store = Checkpoints(folder).store
    store.sweep()  # a kill may have left the only one half renamed
    if not store.steps():
        shutil.rmtree(folder, ignore_errors=True)


def play(trainer: Trainer, num_episodes: int) -> list[float]:
    """Play the greedy policy in environments as the run's but for the seed; return its scores.

    Args:
        trainer: One that has run.
        num_episodes: How many.
    """
    seed = np.random.SeedSequence([trainer.config.seed, EVALUATION_KEY])
    environments = parts_of(replace(trainer.config, num_envs=1)).environments(seed)
    try:
        observations, scores = environments.reset(), list[float]()
        while len(scores) < num_episodes:
            step = environments.step(trainer.agent.act(observations))
            scores += [episode.score for episode in step.episodes]
            observations = step.observations
    finally:
        environments.close()
    return scores
