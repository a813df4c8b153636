"""The bottlenecks of deep Q-learning, separated with oracle access (Fu et al. 2019)."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from experiments.bottlenecks.grid import full, reduced
from experiments.bottlenecks.records import append, compute, read
from experiments.bottlenecks.summary import COLUMNS, correlations, divergence_rate, tables


def main(arguments: list[str]) -> int:
    """Run what is missing of the grid, then print the tables.

    Returns:
        0 when the grid is complete, 1 when a cell failed, 2 on bad usage.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments bottlenecks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the paper's grid: days, not minutes")
    parser.add_argument("--study", choices=list(COLUMNS), help="only this one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--out", type=Path, default=Path("runs/bottlenecks"), help="results folder")
    parser.add_argument("--tables", action="store_true", help="only print what is there")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    if options.workers < 1:
        print(f"expected --workers of at least 1; got {options.workers}.", file=sys.stderr)
        return 2
    path = options.out / ("full.jsonl" if options.full else "reduced.jsonl")
    cells = [c for c in (full() if options.full else reduced()) if options.study in (None, c.study)]
    done = read(path)
    missing = [] if options.tables else [cell for cell in cells if cell.key not in done]
    failed = _run(missing, path, options.workers, len(cells))
    records = [record for key, record in read(path).items() if key in {c.key for c in cells}]
    _print(records)
    print(f"{len(records)} of {len(cells)} cells in {path}")
    return 1 if failed else 0


def _run(missing: list, path: Path, workers: int, total: int) -> int:
    """Run the cells in processes of one thread each; return how many failed."""
    began, failed = time.perf_counter(), 0
    if not missing:
        return 0
    context = get_context("spawn")
    with ProcessPoolExecutor(
        workers, context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        waiting = {pool.submit(compute, cell): cell for cell in missing}
        for count, future in enumerate(as_completed(waiting), start=total - len(missing) + 1):
            cell = waiting[future]
            try:
                append(path, future.result())
            except Exception as error:  # one cell must not cost the others
                failed += 1
                print(f"failed: {cell}: {type(error).__name__}: {error}", file=sys.stderr)
            seconds = time.perf_counter() - began
            print(f"[{count}/{total}, {seconds:.0f} s] {cell.study} {cell.domain}", flush=True)
    return failed


def _print(records: list) -> None:
    """Print every table, the divergence rate and the correlations."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    for title, header, rows in tables(records):
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if records:
        count, total, low, high = divergence_rate(records)
        print(
            f"diverged (max|Q| > 10 max|Q*|): {count} of {total} runs with networks, "
            f"95 % interval {100 * low:.1f} to {100 * high:.1f} %; Fu et al. report 0.9 %"
        )
    for name, (statistic, p) in correlations(records).items():
        print(f"{name} against return: Spearman's ρ = {statistic:+.2f} (p = {p:.2g})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
