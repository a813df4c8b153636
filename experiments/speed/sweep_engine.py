"""What the sweep engine adds to its cells' own time, and how long a table of 1,000 cells takes."""

import json
import os
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from experiments import tables
from experiments.speed import record
from experiments.speed.record import made_by, save
from experiments.speed.waiting import waits
from experiments.sweep.engines import make_engine
from experiments.sweep.sweep import Sweep, cells_of
from qdiverge.runs.table import begin_table, read_table

STUDY = "experiments.speed.waiting"


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/sweep.json``; return the exit status."""
    parser = record.parser("sweep", __doc__)
    parser.add_argument("--cells", type=int, default=100, help="cells that only wait")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each waits")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table-cells", type=int, default=1_000, help="rows of the table")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        engine = time_engine(Path(folder), options.cells, options.seconds, options.workers)
        table = time_table(Path(folder) / "copy.jsonl", options.table_cells)
    print(
        f"{engine['cells']} cells of {options.seconds:g} s, {options.workers} at a time: "
        f"{engine['wall_s']:.1f} s, {engine['overhead']:+.2%} over the cells' own time; before the "
        f"first cell {engine['start_s']:.1f} s; {engine['cpu_ms_per_cell']:.1f} CPU-ms a cell, "
        f"{engine['cpu_overhead']:.2%}\n"
        f"{table['cells']:,} cells, {table['megabytes']:.1f} MB: {table['wall_s']:.2f} s, "
        f"{table['cpu_s']:.2f} CPU s"
    )
    save({"engine": engine, "table": table, **made_by("sweep", arguments)}, options.out, "sweep")
    return 0


def time_engine(root: Path, count: int, seconds: float, workers: int) -> dict[str, Any]:
    """Sweep over cells that wait.

    Returns:
        ``overhead``: of the wall time, once the first cell is at work, over the cells' own time;
        ``cpu_overhead``: processor time of the sweep and of its forked processes over that, which
        does not depend on what else the machine does.
    """
    cells = cells_of(STUDY, waits(count, seconds), root)
    sweep = Sweep(root, cells)
    sweep.open(STUDY, is_resumed=False)
    wall, cpu = time.perf_counter(), time.process_time()
    began = time.time()
    engine = make_engine("local", workers, STUDY)
    try:
        failures = [ended.failure for ended in sweep.run(engine) if ended.failure]
    finally:
        engine.close()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu + _cpu_of_forked_cells()
    assert not failures, failures
    first = min((cell.folder / "log.txt").stat().st_mtime for cell in cells)
    rows = read_table(sweep.table).rows.values()
    own = sum(row["seconds"] for row in rows) / workers
    start = max(0.0, first - began)
    cpu_each = cpu / count
    return {
        "cells": count,
        "seconds_each": seconds,
        "workers": workers,
        "wall_s": round(wall, 3),
        "start_s": round(start, 3),
        "own_s": round(own, 3),
        "overhead": round((wall - start) / own - 1, 5),
        "overhead_with_start": round(wall / own - 1, 5),
        "cpu_ms_per_cell": round(1_000 * cpu_each, 3),
        "cpu_overhead": round(cpu_each / seconds, 5),
    }


def _cpu_of_forked_cells() -> float:
    """Return CPU seconds of the processes that the fork server has forked and seen end."""
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # private
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime, cstime


def time_table(path: Path, count: int) -> dict[str, Any]:
    """Write a table of as many cells, copies of the bottleneck study's, and read it as rows."""
    entries = list(tables.read("bottlenecks").rows.values())
    begin_table(path, {"study": "copies"})
    with path.open("ab") as file:
        for number in range(count):
            entry = entries[number % len(entries)] | {"key": str(number)}
            file.write(json.dumps(entry).encode() + b"\n")
    wall, cpu = time.perf_counter(), time.process_time()
    rows = read_table(path).records()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert len(rows) == count
    megabytes = path.stat().st_size / 1e6
    return {
        "cells": count, "megabytes": round(megabytes, 3),
        "wall_s": round(wall, 4), "cpu_s": round(cpu, 4),
    }  # fmt: skip
