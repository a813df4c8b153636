"""The study's cells, for ``python -m experiments sweep demo``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from qdiverge.report.verdict import verdict_on
from qdiverge.runs import load_run

ATEN, ONEDNN, MKL = "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR"
PROCESSORS = {  # what makes PyTorch, its convolutions and its matrix products compute as on them
    "sse41": {ATEN: "default", ONEDNN: "SSE41", MKL: "COMPATIBLE"},
    "default": {ATEN: "default"},
    "avx2": {ATEN: "avx2"},  # on a processor that has less, instructions are illegal
}
QUICK = ("default", "avx2")
PARTS = ("ordinary", "diverging")


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the demo's own seed on two kinds of processor; in full ten seeds on each kind."""
    return [
        {"seed": seed, "processor": processor}
        for seed in range(1, 11 if is_full else 2)
        for processor in (PROCESSORS if is_full else QUICK)
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the demo in a process of its own; return what each of its two runs is told."""
    out = folder / "demo"
    shutil.rmtree(out, ignore_errors=True)  # of an attempt before
    options = ["--out", out, "--seed", config["seed"]]
    subprocess.run(
        [sys.executable, "-m", "qdiverge", "demo", *map(str, options)],
        env=os.environ | PROCESSORS[config["processor"]],
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
