"""Which score the agents reach on which task, after how many steps, in what time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.learning import rows
from experiments.learning.plan import SEEDS, Cell, plan
from experiments.learning.training import train
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.errors import QDivergeError


def main(arguments: list[str]) -> int:
    """Train what is missing, or turn runs into results; then print the table.

    Returns:
        0 done, 2 bad usage.
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        if options.action == "train":
            cells = plan()
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
    except QDivergeError as error:
        print(f"experiments learning: {error}", file=sys.stderr)
        return 2
    _print(options.results)
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
    found = rows.result(train(cell.config, out / cell.name, cell.preset))
    rows.save(found, results)
    row = found["row"]
    print(f"{cell.name}: {row['training']['mean']} in {row['seconds']} s", flush=True)


def _print(results: Path) -> None:
    """One line a run, and one for each task with a goal that has none."""
    header = ("task", "preset", "seed", "steps", "last 100", "evaluated", "goal", "CPU s")
    table = Table(*header, title="Mean returns with 95 % intervals over episodes")
    every = rows.load_all(results)
    for found in every:
        row = found["row"]
        cells = (
            *(row["environment"], row["preset"], row["seed"], f"{row['steps']:,}"),
            *(_score(row["training"]), _score(row["evaluation"]), _goal(row)),
            "–" if row["cpu_seconds"] is None else round(row["cpu_seconds"]),
        )
        table.add_row(*map(str, cells))
    for environment in sorted(rows.GOALS.keys() - {found["row"]["environment"] for found in every}):
        goal = f"{rows.GOALS[environment]:g}"
        table.add_row(environment, "–", "–", "not run", "–", "–", goal, "–")
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def _score(score: dict | None) -> str:
    """Mean, interval, and by which protocol if not greedily."""
    if score is None:
        return "–"
    low, high = score["interval"]
    protocol = score.get("protocol", "greedy")
    return f"{score['mean']:.4g} [{low:.4g}, {high:.4g}]" + (
        "" if protocol == "greedy" else f" {protocol}"
    )


def _goal(row: dict) -> str:
    """The goal, and where the training episodes, or else the evaluated ones, came to it."""
    if row["goal"] is None:
        return "–"
    if row["goal_step"] is not None:
        return f"{row['goal']:g} at {row['goal_step']:,}"
    found = row["evaluation"]
    return f"{row['goal']:g} {'evaluated' if found and found['mean'] >= row['goal'] else 'missed'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
