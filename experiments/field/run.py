"""What does the monitor say at its defaults of whole runs, sound ones and such as diverge?"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path

from experiments.field.judging import faults, kinds_of, pair_overhead
from experiments.tables import Column, Record, print_study, print_table, read, share


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status (0 done, 1 where ``--check`` finds a fault)."""
    parser = argparse.ArgumentParser(
        "python -m experiments field",
        description=__doc__,
        epilog="The suite is run by `python -m experiments sweep field`; `make test-field` does "
        "both, which takes more than an hour of one core.",
    )
    parser.add_argument("--table", type=Path, help="default: the committed one")
    parser.add_argument("--check", action="store_true", help="exit with 1 where it is not as must")
    options = parser.parse_args(arguments)
    print_study("field", options.table, show)
    found = faults(read("field", options.table).records())
    for fault in found:
        print(f"NOT AS IT MUST BE: {fault}")
    return 1 if found and options.check else 0


def show(records: list[Record]) -> None:
    """Print the healthy runs, the divergent ones, what was raised, and what it took."""
    sound = [r for r in records if r["is_sound"]]
    others = [r for r in records if not r["is_sound"]]
    print_table("Healthy runs", SOUND, sound)
    print_table("Runs that diverge", DIVERGENT, others)
    print_table("Every alarm, finding and note", RAISED, raised(records))
    print_table("Processor time, watched and alone", PAIRED, [r for r in sound if "alone" in r])
    print_table("In all", SUMMARY, summary(sound, others))


def raised(records: Iterable[Record]) -> list[Record]:
    """Return a record for each alarm, finding and note."""
    return [{"run": r["run"], "seed": r["seed"], **alarm} for r in records for alarm in r["alarms"]]


def summary(sound: list[Record], others: list[Record]) -> list[tuple[str, str]]:
    """Return what it comes to, a line each."""
    diverged = [r for r in others if r["passed"] is not None]
    leads = sorted(r["lead"] for r in diverged if r["lead"] is not None)
    pairs = [pair_overhead(r) for r in sound if "alone" in r]
    lines = [
        (f"healthy runs with a {what}", share(sum(kind in kinds_of(r) for r in sound), len(sound)))
        for kind, what in (
            ("divergence", "divergence alarm"), ("loop", "finding in the loop"),
            ("condition", "note on the network"),
        )
    ]  # fmt: skip
    announced = sum("divergence" in kinds_of(r) for r in diverged)
    in_time = sum(lead > 0 for lead in leads)
    lines += [
        ("divergent runs announced", share(announced, len(diverged))),
        ("before max|Q| passed the bound", share(in_time, len(diverged))),
        ("leads, updates", ", ".join(f"{lead:+,}" for lead in leads)),
    ]
    if pairs:
        lines.append(("processor time, median of pairs", f"{statistics.median(pairs):+.1%}"))
        same = sum(r["alone"]["is_same"] for r in sound if "alone" in r)
        lines.append(("final weights the same to the bit", f"{same} of {len(pairs)}"))
    return lines


RUN = (Column("run", "run", "<"), Column("seed", "seed"), Column("updates", "num_updates", ","))
VALUES = (
    Column("bound", "bound", ".4g"),
    Column("largest", "largest", ".3g"),
    Column("passed at", "passed", ","),
    Column("beyond 5/4 at", "beyond", ","),
    Column("beyond in", lambda r: r["num_beyond"] or None, ","),
)
SAID = (
    Column("kinds", lambda r: ", ".join(kinds_of(r)) or "–", "<"),
    Column("headline", "headline", "<"),
)
SOUND = (
    *RUN,
    Column("score", "score", ".4g"),
    Column("learnt", lambda r: {True: "yes", False: "no", None: None}[r["has_learnt"]], "<"),
    *VALUES,
    Column("overhead", "overhead", ".1%"),
    Column("looks", lambda r: r["num_measured"]["light"], ","),
    Column("lin. error", "linearisation_error", ".2f"),
    *SAID,
)
DIVERGENT = (
    *RUN,
    *VALUES,
    Column("alarm at", "alarm", ","),
    Column("lead", "lead", "+,"),
    Column("overhead", "overhead", ".1%"),
    *SAID,
)
RAISED = (
    Column("run", "run", "<"),
    Column("seed", "seed"),
    Column("kind", "kind", "<"),
    Column("rule", "rule", "<"),
    Column("update", "update", ","),
    Column("text", lambda r: r["text"][:110], "<"),
)
PAIRED = (
    *RUN,
    Column("watched, s", "cpu_seconds", ".1f"),
    Column("alone, s", lambda r: " and ".join(f"{s:.1f}" for s in r["alone"]["cpu_seconds"])),
    Column("more", pair_overhead, "+.1%"),
    Column("own account", "overhead", ".1%"),
    Column("same weights", lambda r: "yes" if r["alone"]["is_same"] else "NO", "<"),
)
SUMMARY = (Column("", lambda line: line[0], "<"), Column("", lambda line: line[1], "<"))
