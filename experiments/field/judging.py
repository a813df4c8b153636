"""What must be true of the suite's table.

healthy    no alarm of divergence, but where values truly left their bound: max|Q| of a training
batch beyond 5/4 of it, the most that the monitor excuses; these are listed
no finding in the loop: every loop here does what it says
watched and alone, the final weights are the same to the bit
divergent  an alarm of divergence, early or late, where max|Q| of a batch passed the bound
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from experiments.tables import Record


def faults(records: list[Record]) -> list[str]:
    """Return what is not as it must be, a sentence each.

    >>> row = {"run": "a", "seed": 1, "is_sound": True, "passed": None, "beyond": None,
    ...        "alarms": [{"kind": "divergence", "rule": "runaway_growth", "update": 7}]}
    >>> faults([row]), faults([row | {"passed": 5, "beyond": 9}])
    (['a 1: runaway_growth at update 7 on a healthy run'], [])
    """
    return [f"{r['run']} {r['seed']}: {text}" for r in records for text in faults_of(r)]


def faults_of(record: Record) -> Iterator[str]:
    """Yield what is wrong with one run."""
    for alarm in record["alarms"]:
        what = f"{alarm['rule']} at update {alarm['update']}"
        if alarm["kind"] == "loop":
            yield f"{what} on a sound loop"
        if alarm["kind"] == "divergence" and record["is_sound"] and record["beyond"] is None:
            yield f"{what} on a healthy run"
    has_passed = record["passed"] is not None and not record["is_sound"]
    if has_passed and "divergence" not in kinds_of(record):
        yield f"passed its bound at update {record['passed']}, and nothing was said"
    if "alone" in record and not record["alone"]["is_same"]:
        yield "watching has changed the run"


def kinds_of(record: Record) -> list[str]:
    """Return the kinds of what was raised, each once."""
    return sorted({alarm["kind"] for alarm in record["alarms"]})


def pair_overhead(record: Record) -> float:
    """Return how much more processor time the watched run took than the two alone, in the mean."""
    alone: list[float] = record["alone"]["cpu_seconds"]
    return float(record["cpu_seconds"] / statistics.mean(alone) - 1)
