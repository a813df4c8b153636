"""Print the findings from the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.foresight.combination import HORIZON
from experiments.foresight.scoring import Rate
from experiments.tables import Column, print_table
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import read_table

REMEDIES = ("step", "period", "layer_norm", "preqn")


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
    evaluation: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return evaluation


def origin(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation's provenance, with the command and CPU time of the whole study."""
    seconds = sum(entry["cpu_seconds"] for entry in evaluation["runs"].values())
    command = "python -m experiments run foresight"
    return evaluation["provenance"] | {"command": command, "seconds": seconds}


def show(folder: Path) -> None:
    """Print every table."""
    evaluation = read_evaluation(folder)
    for split, entry in evaluation["runs"].items():
        print(
            f"{split}: {entry['number']} runs, {entry['outcomes']}; blow-up quartiles "
            f"{entry['blow_up_quartiles']} updates; {entry['cpu_seconds']} CPU s, of which "
            f"measuring {entry['measuring_share']:.0%}"
        )
    print()
    predictors = [
        {"predictor": name, **entry["auroc"], **entry["alarm"]}
        for name, entry in evaluation["predictors"].items()
    ]
    predictors.sort(key=lambda row: -(row[str(HORIZON)]["value"] or 0))
    title = "test split; thresholds at 5 % false alarms in training; the best AUROC first"
    print_table(title, PREDICTORS, predictors)
    rules = [
        {"rule": name, "constants": when, **alarm}
        for when in ("before", "after")
        for name, alarm in evaluation["rules"][when].items()
    ]
    print_table("the monitor's rules, before and after their constants were set", RULES, rules)
    print("calibration:", evaluation["calibration"])
    print("forecasts:", json.dumps(evaluation["forecasts"], indent=1))
    if (folder / "remedies.jsonl").exists():
        for name, (sound, learns) in remedy_rates(folder).items():
            print(f"remedy {name}: no longer diverges {sound}; and learns {learns}")


def remedy_rates(folder: Path) -> dict[str, tuple[Rate, Rate]]:
    """Return, by remedy, the rates of runs that no longer diverge and that learn."""
    records = read_table(folder / "remedies.jsonl").records()
    evaluation = {}
    for name in REMEDIES:
        tried = [record[name] for record in records if name in record]
        sound = sum(each["blow_up"] is None for each in tried)
        learns = sum(each["learns"] for each in tried)
        evaluation[name] = Rate(sound, len(tried)), Rate(learns, len(tried))
    return evaluation


def _area(entry: dict[str, Any]) -> str | None:
    if entry["value"] is None:
        return None
    return f"{entry['value']:.3f} [{entry['low']:.2f}, {entry['high']:.2f}]"


def _rate(entry: dict[str, Any]) -> str | None:
    return str(Rate(entry["count"], entry["total"])) if entry["total"] else None


RATES = (
    Column("caught", lambda row: _rate(row["caught"])),
    Column("false alarms", lambda row: _rate(row["false_alarms"])),
)
LEAD = Column("median lead", "median_lead", ".0%")
PREDICTORS = (
    Column("predictor", "predictor", "<"),
    Column(f"AUROC, {HORIZON} updates", lambda row: _area(row[str(HORIZON)])),
    Column("AUROC, ever", lambda row: _area(row["ever"])),
    *RATES,
    Column("precision", lambda row: _rate(row["precision"])),
    LEAD,
)
RULES = (Column("rule", "rule", "<"), Column("constants", "constants", "<"), *RATES, LEAD)
