"""Is divergence seen before it happens, on runs that nobody tuned on? Predictors side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from experiments.foresight import corpus, show
from experiments.foresight.evaluate import evaluate
from experiments.foresight.fit import fit
from experiments.foresight.sweep import cells
from experiments.sweep import command as sweep
from experiments.sweep.results import commit_table
from experiments.sweep.sweep import cells_of, default_root
from qdiverge.runs.table import read_table

REMEDIES = "experiments.foresight.remedies"


def main(arguments: list[str]) -> int:
    """Run the study, or a part of it; return the exit status (0 done, 2 bad usage)."""
    parser = argparse.ArgumentParser(
        "python -m experiments foresight",
        description=__doc__,
        epilog="Without a part: corpus, fit, evaluate, show, resumable at any time. `fit` sets the "
        "thresholds on the training split; `evaluate` reads them and only then opens the test "
        "split. The corpus takes about half an hour on two cores, --full hours.",
    )
    parts: dict[str, Callable[[argparse.Namespace], int]] = {
        "corpus": _corpus,
        "fit": _fit,
        "evaluate": _evaluate,
        "remedies": _remedies,
        "show": _show,
    }
    parser.add_argument("part", nargs="?", choices=list(parts), help="default: all but remedies")
    parser.add_argument("--full", action="store_true", help="the full corpus, not the reduced one")
    parser.add_argument("--workers", type=int, default=2, help="cells at a time")
    parser.add_argument(
        "--results", type=Path, default=corpus.RESULTS, help="folder; default: the committed one"
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the sweep; default runs/sweeps/foresight"
    )
    options = parser.parse_args(arguments)
    for name in [options.part] if options.part else ["corpus", "fit", "evaluate", "show"]:
        if status := parts[name](options):
            return status
    return 0


def _corpus(options: argparse.Namespace) -> int:
    folder = _swept("foresight", options, options.out)
    if folder is None:
        return 1
    keys = {cell.key for cell in cells_of("foresight", cells(options.full), folder)}
    corpus.pack(read_table(folder / "table.jsonl"), keys, options.results)
    return 0


def _fit(options: argparse.Namespace) -> int:
    fit(options.results)
    print(f"thresholds of the training split: {options.results / 'thresholds.json'}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    evaluate(options.results)
    print(f"the test split: {options.results / 'evaluation.json'}")
    return 0


def _remedies(options: argparse.Namespace) -> int:
    folder = _swept(REMEDIES, options, None)
    if folder is None:
        return 1
    place = options.results / "remedies.jsonl"
    print(commit_table(REMEDIES, folder / "table.jsonl", options.full, place=place))
    return 0


def _show(options: argparse.Namespace) -> int:
    show.show(options.results)
    return 0


def _swept(name: str, options: argparse.Namespace, out: Path | None) -> Path | None:
    """Run what is missing of a sweep; return its folder, None where it came to no end."""
    folder = out or default_root(name, options.full)
    resume = ["--resume"] if (folder / "table.jsonl").exists() else []
    full = ["--full"] if options.full else []
    workers = ["--workers", str(options.workers)]
    status = sweep.main([name, "--out", str(folder), *workers, *resume, *full])
    return None if status else folder
