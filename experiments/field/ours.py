"""Our own agents by their presets, watched as ``qdiverge train`` does at its defaults."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.field.eye import Eye
from experiments.field.trained import Trained
from qdiverge.agents.records import RunEnd
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.presets import PRESETS
from qdiverge.cli.ahead import foresight_of, target_rule_of
from qdiverge.cli.record_log import write_record
from qdiverge.cli.subjects import subject
from qdiverge.cli.watch_settings import Watching
from qdiverge.cli.watched import make_trainer
from qdiverge.monitor import attach
from qdiverge.runs import RunLog

MINATAR, STEPS = "minatar_fast", 40_000  # agent steps of a MinAtar run; the preset has 100,000
NO_TARGET: dict[str, Any] = {"use_target_network": False, "total_steps": 6_000}
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {  # algorithm, preset, what is otherwise
    "ours DQN CartPole": ("dqn", "cartpole", {}),
    "ours TD3 Pendulum": ("td3", "fast", {}),
    "ours SAC Pendulum": ("sac", "fast", {}),
    "ours DDPG Pendulum": ("ddpg", "fast", {}),
    "ours DQN Breakout": ("dqn", MINATAR, {"total_steps": STEPS}),
    "ours DQN Asterix": (
        "dqn", MINATAR, {"environment": "MinAtar/Asterix-v1", "total_steps": STEPS}
    ),
    "MinAtar, no target, 1e-3": (
        "dqn", MINATAR, NO_TARGET | {"learning_rate": 1e-3, "total_steps": 12_000}
    ),
    "MinAtar, no target, 1e-2": ("dqn", MINATAR, NO_TARGET | {"learning_rate": 1e-2}),
}  # fmt: skip


def config_of(name: str, seed: int) -> AgentConfig:
    """Return the settings of a run."""
    algorithm, preset, others = RUNS[name]
    return replace(PRESETS[algorithm][preset], seed=seed, **others)


def train(name: str, seed: int, folder: Path | None, eye: Eye) -> Trained:
    """Train; without a folder unwatched."""
    trainer = make_trainer(config_of(name, seed), None, Watching().log_period)
    began = time.process_time()
    if folder is None:
        for _ in trainer.run():
            pass
    else:
        _watch(trainer, folder, eye)
    cpu_seconds = time.process_time() - began
    trainer.close()
    return Trained.of(trainer.q_network, cpu_seconds)


def _watch(trainer: Trainer, folder: Path, eye: Eye) -> None:
    agent, config = trainer.agent, trainer.config
    with RunLog(folder, config.as_json(), step_unit="agent steps") as log:
        monitor = attach(
            **subject(agent, config),
            optimizer=trainer.optimizer,
            out=log,
            clock=lambda: trainer.agent_step,
            rule=target_rule_of(agent, config),
            foresight=foresight_of(trainer),
        )
        eye.follow(monitor)
        trainer.transform_batch = monitor.batch
        status = "finished"
        for record in trainer.run():
            write_record(log, record)
            if isinstance(record, RunEnd) and record.reason == "divergence":
                status = "diverged"
        monitor.close(status)
        log.close(status)
