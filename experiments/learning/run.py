"""Which score the agents reach on which task, after how many steps, in what time."""

import argparse
import sys
from pathlib import Path
from typing import Any

from experiments.learning import rows
from experiments.learning.cell import Cell
from experiments.learning.sweep import SEEDS, reduced
from experiments.learning.training import train
from experiments.tables import Column, print_table, with_interval
from qdiverge.agents.settings.presets.discrete import PRESETS


def main(arguments: list[str]) -> int:
    """Train what is missing, or turn runs into results; then print the table.

    Returns:
        0 done, 2 bad usage.
    """
    options = _parser().parse_args(arguments)
    if options.action == "train":
        cells = reduced()
        if options.env is not None:
            if options.preset is None:
                print("expected --preset beside --env; got none.", file=sys.stderr)
                return 2
            cells = [
                Cell(options.env, options.preset, seed, options.steps) for seed in options.seeds
            ]
        for cell in cells:
            _train(cell, options.out, options.results)
    elif options.action == "add":
        for folder in options.runs:
            print(rows.save(rows.result(folder, options.preset), options.results))
    show(options.results)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m experiments learning", description=__doc__)
    parser.add_argument(
        "action",
        nargs="?",
        choices=["train", "add", "show"],
        default="train",
        help="train (the default): what has no result yet; add: turn run folders into results; "
        "show: print the table",
    )
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders to add")
    parser.add_argument("--env", help="train on this task alone")
    parser.add_argument("--preset", choices=PRESETS, help="its settings, or those of added runs")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="of --env")
    parser.add_argument("--steps", type=int, help="agent steps of --env; by default the preset's")
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="run folders")
    parser.add_argument("--results", type=Path, default=rows.RESULTS, help="folder of results")
    return parser


def _train(cell: Cell, out: Path, results: Path) -> None:
    """Train, unless there is a result already."""
    if (results / f"{cell.name}.json").exists():
        print(f"{cell.name}: has a result")
        return
    result = rows.result(train(cell.config, out / cell.name, cell.preset))
    rows.save(result, results)
    row = result["row"]
    print(f"{cell.name}: {row['training']['mean']} in {row['seconds']} s", flush=True)


def show(folder: Path) -> None:
    """Print a line for each run, and one for each task with a goal that has none."""
    runs = [result["row"] for result in rows.load_all(folder)]
    missing = sorted(rows.GOALS.keys() - {row["environment"] for row in runs})
    blank = dict.fromkeys(("preset", "seed", "steps", "training", "evaluation", "cpu_seconds"))
    runs += [{"environment": name, "goal": rows.GOALS[name], **blank} for name in missing]
    print_table("Mean returns with 95 % intervals over episodes", COLUMNS, runs)


def _score(score: dict[str, Any] | None) -> str | None:
    """Return mean, interval, and by which protocol if not greedily."""
    if score is None:
        return None
    protocol = score.get("protocol", "greedy")
    text = with_interval(score["mean"], score["interval"], ".4g")
    return text if protocol == "greedy" else f"{text} {protocol}"


def _goal(row: dict[str, Any]) -> str | None:
    """Return the goal, and where the training episodes, or else the evaluated ones, came to it."""
    if row["goal"] is None:
        return None
    if row["steps"] is None:
        return f"{row['goal']:g}"
    if row["goal_step"] is not None:
        return f"{row['goal']:g} at {row['goal_step']:,}"
    score = row["evaluation"]
    return f"{row['goal']:g} {'evaluated' if score and score['mean'] >= row['goal'] else 'missed'}"


COLUMNS = (
    Column("task", "environment", "<"),
    Column("preset", "preset", "<"),
    Column("seed", "seed"),
    Column("steps", lambda row: "not run" if row["steps"] is None else f"{row['steps']:,}"),
    Column("last 100", lambda row: _score(row["training"]), "<"),
    Column("evaluated", lambda row: _score(row["evaluation"]), "<"),
    Column("goal", _goal, "<"),
    Column("CPU s", "cpu_seconds", ".0f"),
)
