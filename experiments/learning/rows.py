"""A run folder as one result: a row of the table, a short curve, where it comes from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from qdiverge.agents.environments.games import environment_id, resolve_game
from qdiverge.agents.environments.tasks import find_task
from qdiverge.errors import QDivergeError, RunFolderError
from qdiverge.runs import Run, Series, load_run
from qdiverge.runs.whole import write_whole

RESULTS = Path(__file__).parent / "results"
WINDOW = 100  # training episodes that a score is the mean of
NUM_POINTS = 200  # of a curve, at most
GOALS = {"CartPole-v1": 475.0, "MinAtar/Breakout-v1": 2.5, "ALE/Pong-v5": 18.0}  # mean return
MADE_BY = ("command", "commit", "hardware", "started", "versions")


def result(folder: Path, preset: str | None = None) -> dict[str, Any]:
    """Read a run, of this study or of ``qdiverge train``, also while it is being written.

    Args:
        folder: With ``run.json`` and ``events.jsonl``.
        preset: Name of its settings; None: what the run says.

    Returns:
        ``row``, ``curve`` and ``provenance``, ready for JSON.

    Raises:
        RunFolderError: there is no run, or no episode has ended in it.
    """
    run = load_run(folder)
    training = episode_returns(run)
    return {
        "row": _row(run, training, preset or _preset(run)),
        "curve": curve(training, NUM_POINTS),
        "provenance": {key: run.info.get(key) for key in MADE_BY},
    }


def episode_returns(run: Run) -> Series:
    """Return the returns of a run's training episodes.

    Raises:
        RunFolderError: no episode has ended in it.
    """
    returns = run.series.get("charts/episodic_return")
    if returns is None:
        raise RunFolderError(
            "an episode of the run must have ended", got=run.folder, remedy="Wait for one."
        )
    return returns


def _row(run: Run, training: Series, preset: str) -> dict[str, Any]:
    environment = known_as(run.info["config"]["environment"])
    time_spent = run.info.get("training", {"seconds": run.info.get("seconds"), "cpu_seconds": None})
    goal = GOALS.get(environment)
    return {
        "environment": environment,
        "preset": preset,
        "seed": run.info["seed"],
        "status": run.info["status"],
        "steps": int(max(series.steps[-1] for series in run.series.values())),  # agent steps
        "episodes": len(training.values),
        "training": mean_with_interval(training.values[-WINDOW:]),
        "evaluation": _evaluation(run),
        "goal": goal,
        "goal_step": None if goal is None else first_step_above(training, goal),
        **time_spent,
    }


def _evaluation(run: Run) -> dict[str, Any] | None:
    """Return the study's own greedy episodes, else the latest of ``qdiverge evaluate``."""
    greedy = run.series.get("evaluation/episodic_return")
    if greedy is not None:
        return mean_with_interval(greedy.values) | {"protocol": "greedy"}
    files = (run.folder / "evaluations").glob("*.json")
    evaluations = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(files)]
    if not evaluations:
        return None
    latest = max(evaluations, key=lambda one: one["step"])
    scores = np.array([episode["score"] for episode in latest["episodes"]])
    return mean_with_interval(scores) | {"protocol": latest["protocol"]["name"]}


def known_as(environment: str) -> str:
    """Return the one id of an environment that a run may have named in several ways.

    >>> known_as("pong"), known_as("Breakout-MinAtar"), known_as("CartPole-v1")
    ('ALE/Pong-v5', 'MinAtar/Breakout-v1', 'CartPole-v1')
    """
    try:
        return find_task(environment) or environment_id(resolve_game(environment))
    except QDivergeError:  # of a module that is not at hand here
        return environment


def mean_with_interval(scores: np.ndarray) -> dict[str, Any]:
    """Return the mean over episodes, with its 95 % percentile bootstrap interval.

    >>> mean_with_interval(np.array([2.0, 2.0]))
    {'mean': 2.0, 'interval': [2.0, 2.0], 'episodes': 2}
    """
    mean = float(scores.mean())
    low = high = mean
    if scores.min() < scores.max():
        rng = np.random.default_rng(0)
        bootstrapped = stats.bootstrap((scores,), np.mean, method="percentile", rng=rng)
        low, high = (float(bound) for bound in bootstrapped.confidence_interval)
    interval = [round(low, 3), round(high, 3)]
    return {"mean": round(mean, 3), "interval": interval, "episodes": len(scores)}


def first_step_above(training: Series, goal: float) -> int | None:
    """Return the first step with a mean of the last ``WINDOW`` episodes of ``goal`` or more.

    >>> scores = np.repeat([0.0, 4.0], 100)
    >>> first_step_above(Series(np.arange(200), scores), 2.0)  # 50 of the last 100 are 4
    149
    """
    if len(training.values) < WINDOW:
        return None
    means = np.convolve(training.values, np.full(WINDOW, 1 / WINDOW), mode="valid")
    reached = np.flatnonzero(means >= goal - 1e-9)
    return int(training.steps[WINDOW - 1 + reached[0]]) if len(reached) else None


def curve(training: Series, num_points: int) -> dict[str, list[Any]]:
    """Return the mean return of the episodes that ended in each of equal stretches of the run.

    >>> curve(Series(np.array([1, 2, 8]), np.array([1.0, 3.0, 5.0])), num_points=2)
    {'step': [4, 8], 'mean_return': [2.0, 5.0], 'num_episodes': [2, 1]}
    """
    edges = np.linspace(0, training.steps[-1], num_points + 1)
    stretch = np.searchsorted(edges, training.steps, side="left") - 1
    filled = np.unique(stretch)
    groups = [training.values[stretch == number] for number in filled]
    return {
        "step": [round(float(edges[number + 1])) for number in filled],
        "mean_return": [round(float(group.mean()), 4) for group in groups],
        "num_episodes": [len(group) for group in groups],
    }


def save(result: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write a result under the name of its row, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    row = result["row"]
    path = folder / f"{name_of(row['environment'], row['preset'], row['seed'])}.json"
    return write_whole(path, json.dumps(result, indent=1) + "\n")


def load_all(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Read every result, sorted by environment, preset and seed."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(
        results, key=lambda one: tuple(one["row"][key] for key in ("environment", "preset", "seed"))
    )


def name_of(environment: str, preset: str, seed: int) -> str:
    """Return what the files of a run are called.

    >>> name_of("MinAtar/Breakout-v1", "minatar_fast", 1)
    'MinAtar-Breakout-v1_minatar_fast_1'
    """
    return f"{environment.replace('/', '-').replace(':', '-')}_{preset}_{seed}"


def _preset(run: Run) -> str:
    """Return what the run notes, else what its command named, else what no preset means."""
    words = run.info.get("command", "").replace("=", " ").split()
    named = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--preset"]
    return str(run.info.get("preset") or (named[-1] if named else "defaults"))
