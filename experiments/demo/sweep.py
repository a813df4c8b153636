"""The study's cells, for ``python -m experiments sweep demo``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from qdiverge.report.verdict import verdict_on
from qdiverge.runs import load_run

PROCESSORS = ("default", "avx2", "avx512")  # of ATen: one that has less takes what it has
PARTS = ("ordinary", "diverging")


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the demo's own seed on three kinds of processor; in full ten seeds."""
    return [
        {"seed": seed, "processor": processor}
        for seed in range(1, 11 if is_full else 2)
        for processor in PROCESSORS
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the demo in a process of its own; return what each of its two runs is told."""
    out = folder / "demo"
    options = ["--out", out, "--seed", config["seed"]]
    subprocess.run(
        [sys.executable, "-m", "qdiverge", "demo", *map(str, options)],
        env=os.environ | {"ATEN_CPU_CAPABILITY": config["processor"]},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return {part: told_of(out / part) for part in PARTS}


def told_of(folder: Path) -> dict[str, Any]:
    """Return the verdict on a run, its alarms, findings and notes, and where its values came."""
    run = load_run(folder)
    largest = {name: max(s.values, default=0.0) for name, s in run.series.items()}
    return {
        "verdict": verdict_on(run).health,
        "raised": [{"rule": a.rule, "kind": a.kind, "update": a.update} for a in run.alarms],
        "q_abs_max": float(f"{largest['diverge/q_abs_max']:.4g}"),
        "updates": int(largest["update"]),
    }
