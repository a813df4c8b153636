"""What must be true of the suite's table.

Of a healthy run: no alarm of divergence, but where values truly left their bound, max|Q| of a
training batch beyond 5/4 of it, the most that the monitor excuses (such runs are listed); no
finding in the loop, since every loop here does what it says; and final weights that are to the bit
those of the run alone.

Of one that is to diverge: an alarm of divergence, early or late, where max|Q| was beyond 5/4 of the
bound in one of a hundred updates or more. Fewer, in a few rare states, may lie between two looks.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from experiments.tables import Record

SEEN = 0.01  # of the updates


def faults(records: list[Record]) -> list[str]:
    """Return what is not as it must be, a sentence each.

    >>> row = {"run": "a", "seed": 1, "is_sound": True, "beyond": None, "num_beyond": 0,
    ...        "num_updates": 80,
    ...        "alarms": [{"kind": "divergence", "rule": "runaway_growth", "update": 7}]}
    >>> faults([row]), faults([row | {"beyond": 9, "num_beyond": 60}])
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
    is_beyond = record["num_beyond"] > SEEN * record["num_updates"]
    if is_beyond and "divergence" not in kinds_of(record):
        yield f"beyond 5/4 of its bound from update {record['beyond']}, and nothing was said"
    if "alone" in record and not record["alone"]["is_same"]:
        yield "watching has changed the run"


def kinds_of(record: Record) -> list[str]:
    """Return the kinds of what was raised, each once."""
    return sorted({alarm["kind"] for alarm in record["alarms"]})


def pair_overhead(record: Record) -> float:
    """Return how much more processor time the watched run took than the two alone, in the mean."""
    alone: list[float] = record["alone"]["cpu_seconds"]
    return float(record["cpu_seconds"] / statistics.mean(alone) - 1)
