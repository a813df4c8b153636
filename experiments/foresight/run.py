"""Is divergence seen before it happens, on runs nobody tuned on? By running ahead and by signs."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.foresight import corpus
from experiments.sweep.sweep import default_root
from qdiverge.runs.table import read_table


def main(arguments: list[str]) -> int:
    """Run a part of the study; return the exit status (0 done, 2 bad usage)."""
    parser = argparse.ArgumentParser("python -m experiments foresight", description=__doc__)
    parser.add_argument("part", choices=["pack"])
    parser.add_argument("--split", choices=corpus.SPLITS, default="dev")
    parser.add_argument("--from", dest="table", type=Path, help="table of the sweep")
    options = parser.parse_args(arguments)
    table = read_table(options.table or default_root("foresight", False) / "table.jsonl")
    count = corpus.pack(table, options.split, corpus.RESULTS)
    print(f"{count} runs in {corpus.file(options.split)}")
    return 0
