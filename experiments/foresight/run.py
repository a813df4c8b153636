"""Is divergence seen before it happens, on runs nobody tuned on? By running ahead and by signs."""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.foresight import corpus
from experiments.foresight.again import show_again
from experiments.foresight.evaluate import evaluate
from experiments.foresight.further import further
from experiments.foresight.rates import write_rates
from experiments.foresight.rules import fix
from experiments.foresight.show import show
from experiments.sweep.sweep import default_root
from qdiverge.runs.table import read_table


def main(arguments: list[str]) -> int:
    """Run a part of the study; return the exit status (0 done, 2 bad usage)."""
    parser = argparse.ArgumentParser(
        "python -m experiments foresight",
        description=__doc__,
        epilog="Without a part: show. The corpus is made by `python -m experiments sweep "
        "foresight`; `pack` takes a split's rows from its table. `fix` sets the rules on the dev "
        "split; `evaluate` opens the test split once these are committed; `rates` takes from it "
        "what the monitor says of its own calls. `again` trains each short dev run that its copies "
        "tell otherwise, in the very orders of these.",
    )
    parser.add_argument(
        "part",
        nargs="?",
        choices=["pack", "further", "fix", "evaluate", "rates", "again", "show"],
        default="show",
    )
    parser.add_argument("--split", choices=corpus.SPLITS, help="pack, further: dev; evaluate: test")
    parser.add_argument("--from", dest="table", type=Path, help="the sweep's table, of pack")
    parser.add_argument(
        "--results", type=Path, default=corpus.RESULTS, help="folder; default: the committed one"
    )
    options = parser.parse_args(arguments)
    if options.part == "pack":
        table = read_table(options.table or default_root("foresight", False) / "table.jsonl")
        split = options.split or "dev"
        count = corpus.pack(table, split, options.results)
        print(f"{count} runs in {corpus.file(split, options.results)}")
    elif options.part == "further":
        for run, is_same in further(options.split or "dev", options.results):
            print(f"{run.cell.problem}, seed {run.cell.seed}" + " anew" * (not is_same), flush=True)
    elif options.part == "fix":
        fix(options.results)
        print(f"commit {options.results / 'rules.json'} before `evaluate`")
    elif options.part == "evaluate":
        show(options.results, evaluate(options.results, options.split or "test"))
    elif options.part == "rates":
        print(write_rates(options.results))
    elif options.part == "again":
        show_again(corpus.load("dev", options.results)[1])
    elif options.part == "show":
        show(options.results)
    return 0
