"""One run of ours: returns while it learns, alignment of its updates, greedy returns at the end."""

from typing import Any

from experiments.control.agents import REPORTS
from qdiverge.agents.evaluation.episodes import evaluate
from qdiverge.agents.evaluation.protocols import TASK
from qdiverge.agents.records import EpisodeEnd, RunEnd, UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.continuous_config import ContinuousConfig


def train(config: ContinuousConfig, episodes: int) -> dict[str, Any]:
    """Train, then play ``episodes`` without noise in environments of their own.

    Returns:
        Of the training episodes ``episode_steps``, at which they ended, and ``returns``; of some
        updates ``report_steps`` and ``alignments``, cos(ΔQ, δ); ``greedy``, the returns of the end;
        ``end``, why it ended; of PreQN the share of ``accepted`` steps.
    """
    num_updates = (config.total_steps - config.learning_starts) // config.train_period
    trainer = Trainer(config, log_period=max(1, num_updates // REPORTS), has_alignment=True)
    row: dict[str, Any] = {"episode_steps": [], "returns": [], "report_steps": [], "alignments": []}
    accepted = []
    for record in trainer.run():
        if isinstance(record, EpisodeEnd):
            row["episode_steps"].append(record.step)
            row["returns"].append(round(record.score, 3))
        elif isinstance(record, UpdateRecord) and record.alignment is not None:
            row["report_steps"].append(record.step)
            row["alignments"].append(round(record.alignment, 4))
            if record.preqn is not None:
                accepted.append(record.preqn.is_accepted)
        elif isinstance(record, RunEnd):
            row["end"] = record.reason
    protocol = TASK.changed(episodes=episodes)
    played_greedily = evaluate(config, trainer.agent.playing_weights(), protocol, seed=config.seed)
    row["greedy"] = [round(played.episode.score, 3) for played in played_greedily.episodes]
    row["accepted"] = sum(accepted) / len(accepted) if accepted else None
    return row
