"""Print the findings from the committed evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.tables import Column, print_table, share
from qdiverge.errors import RunFolderError

TITLES = {
    "dev": "the dev split, on which the rules were set: in sample, no measure of anything to come",
    "test": "the test split, which nothing was set on",
}


def read_evaluation(folder: Path) -> dict[str, Any]:
    """Read the numbers of ``evaluate``.

    Raises:
        RunFolderError: there are none.
    """
    path = folder / "evaluation.json"
    if not path.exists():
        raise RunFolderError(
            "the study must be evaluated first",
            got=f"no {path}",
            remedy="Run: python -m experiments foresight evaluate",
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def origin(found: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation's provenance, with the command and CPU time of the split."""
    seconds = sum(entry["cpu_seconds"] for entry in found["runs"].values())
    return found["provenance"] | {"command": "python -m experiments run foresight",
                                  "seconds": seconds}  # fmt: skip


def show(folder: Path, found: dict[str, Any] | None = None) -> None:
    """Print every table.

    Args:
        folder: Of the committed evaluation.
        found: Another one; None: that.
    """
    found = read_evaluation(folder) if found is None else found
    print(f"{TITLES[found['corpus']['split']]}\n")
    for kind, rules in found["rules"].items():
        about = found["runs"][kind]
        print(f"{kind}: {about}")
        rows = [{"rule": name, **entry} for name, entry in rules.items()]
        print_table("thresholds fixed on the dev split", COLUMNS, rows)
    for stratum, rules in found["strata"].items():
        rows = [{"rule": name, **entry} for name, entry in rules.items()]
        print_table(f"of the short ones: {stratum}", COLUMNS, rows)
    soon = found["soon"]
    print(f"B is passed within 60 updates, {soon['positive']} of {soon['moments']} moments; AUROC:")
    print("  ".join(f"{name} {area}" for name, area in soon["auroc"].items()))
    print("\nremedies, on divergent runs:")
    for name, entry in found["remedies"].items():
        print(f"  {name}: {entry}")


def _share(name: str) -> Any:
    return lambda row: share(*row[name]) if row[name][1] else None


COLUMNS = (
    Column("rule", "rule", "<"),
    Column("threshold", "threshold", ".3g"),
    Column("caught", _share("caught")),
    Column("of those that stay", _share("caught of those that stay")),
    Column("false alarms", _share("false")),
    Column("median lead", "median lead", ".0%"),
    Column("copied", "copied updates a run"),
    Column("forecast / T", lambda row: str(row["forecast quartiles"] or "–")),
    Column("within × 2", _share("forecast within a factor of 2")),
)
