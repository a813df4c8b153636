"""The file of an evaluation: the protocol in full, every episode, and what follows from them."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdiverge.agents.evaluation.episodes import Evaluation
from qdiverge.agents.evaluation.overestimation import TOLERANCE, Overestimation
from qdiverge.agents.evaluation.playing import PlayedEpisode
from qdiverge.agents.evaluation.references import SOURCE, human_normalised, references
from qdiverge.agents.evaluation.statistics import CONFIDENCE, NUM_RESAMPLES, Scores, summarise
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.runs import provenance
from qdiverge.runs.boundary import Place
from qdiverge.runs.whole import write_whole, writing

SCHEMA = 1  # of these files; raised when an old reader would misread a new file
FOLDER = "evaluations"


def result_of(
    evaluation: Evaluation,
    *,
    config: AgentConfig,
    game: str | None,
    step: int,
    random_play: Sequence[PlayedEpisode] = (),
    training_scores: Sequence[float] = (),
) -> dict[str, Any]:
    """Return everything that an evaluation has to say, ready for JSON.

    Args:
        evaluation: What was values.
        config: The run's.
        game: Its environment's ROM; None outside Atari.
        step: Agent steps of training behind the network.
        random_play: Episodes of a random agent, where it played.
        training_scores: Of the last training episodes, where the protocol asks for them.

    Returns:
        The entries of the file; NaN is None.
    """
    scores = [played.episode.score for played in evaluation.episodes]
    summary = summarise(scores)
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "environment": config.environment,
        "step": step,  # agent steps of training
        "seed": evaluation.seed,
        "num_envs": evaluation.num_envs,
        "protocol": dataclasses.asdict(evaluation.protocol),
        "score": dataclasses.asdict(summary),
        "interval": {
            "confidence": CONFIDENCE,
            "method": f"percentile bootstrap of the mean, {NUM_RESAMPLES} resamples",
        },
        "human_normalised": _normalised(summary, game),
        "values": _values(evaluation.overestimation)
        | {
            "discount": config.discount,
            "returns": "discounted, of the rewards that the learner sees; left out where an "
            f"episode cut short hides more than {TOLERANCE:.0%} of a value",
        },
        "episodes": [
            _episode(played) | {"values": _values(value)}
            for played, value in zip(evaluation.episodes, evaluation.values, strict=True)
        ],
    }
    if training_scores:
        scored = summarise(training_scores)
        result["training_episodes"] = {
            "score": dataclasses.asdict(scored),
            "human_normalised": _normalised(scored, game),
            "scores": list(training_scores),
        }
    if random_play:
        by_chance = summarise([played.episode.score for played in random_play])
        result["random_agent"] = {
            "policy": "uniform over the actions, a new one every sixth emulator frame (10 Hz)"
            if game
            else "uniform over the actions, a new one at every step",
            "score": dataclasses.asdict(by_chance),
            "episodes": [_episode(played) for played in random_play],
        }
    return result | {"config": config.as_json(), "provenance": provenance()}


def write_result(run_folder: Path, result: dict[str, Any]) -> Path:
    """Write ``evaluations/PROTOCOL-STEP.json``, whole or not at all; nothing is overwritten.

    Args:
        run_folder: Of the run.
        result: From :func:`result_of`.

    Returns:
        Its path; a second evaluation of that name gets a number.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    name = f"{result['protocol']['name']}-{result['step']}"
    folder = run_folder / FOLDER
    with writing(folder, "folder"):
        place = (Place.of(run_folder) / FOLDER).made()
        file, number = f"{name}.json", 1
        while place.kind(file) is not None:
            number += 1
            file = f"{name}-{number}.json"
        text = json.dumps(result, indent=2, allow_nan=False)
        return write_whole((place, file), text + "\n")


def _normalised(scores: Scores, game: str | None) -> dict[str, Any]:
    if game is None:
        return {"mean": None, "reason": "there are human scores for Atari games alone"}
    if game not in references():
        return {"mean": None, "reason": f"{game} is not among the paper's 49 games", "of": SOURCE}
    reference = references()[game]
    low, high = (
        None if end is None else human_normalised(end, reference)
        for end in (scores.low, scores.high)
    )
    return {
        "mean": human_normalised(scores.mean, reference),  # per cent
        "low": low,
        "high": high,
        "references": dataclasses.asdict(reference),
        "of": SOURCE,
    }


def _episode(played: PlayedEpisode) -> dict[str, Any]:
    episode = dataclasses.asdict(played.episode)
    del episode["environment"]
    return episode


def _values(values: Overestimation) -> dict[str, Any]:
    numbers = {"predicted": values.predicted, "realised": values.realised, "bias": values.bias}
    finite = {key: value if math.isfinite(value) else None for key, value in numbers.items()}
    return finite | {"num_steps": values.num_steps}
