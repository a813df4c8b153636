"""Print the findings from the committed results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.foresight.combination import HORIZON
from experiments.foresight.scoring import Rate
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import read_table

REMEDIES = ("step", "period", "layer_norm", "preqn")


def read_evaluation(folder: Path) -> dict[str, Any]:
    """The numbers of ``evaluate``.

    Raises:
        RunFolderError: there are none.
    """
    path = folder / "evaluation.json"
    if not path.exists():
        raise RunFolderError(
            "an evaluation was expected",
            got=f"no {path}",
            remedy="Run: python -m experiments foresight evaluate",
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def origin(found: dict[str, Any]) -> dict[str, Any]:
    """The provenance of an evaluation, with the command and CPU time of the whole study."""
    seconds = sum(entry["cpu_seconds"] for entry in found["runs"].values())
    command = "python -m experiments run foresight"
    return found["provenance"] | {"command": command, "seconds": seconds}


def show(folder: Path) -> None:
    """Print every table."""
    found = read_evaluation(folder)
    console = Console(width=None if sys.stdout.isatty() else 130)
    for split, entry in found["runs"].items():
        print(
            f"{split}: {entry['number']} runs, {entry['outcomes']}; blow-up quartiles "
            f"{entry['blow_up_quartiles']} updates; {entry['cpu_seconds']} CPU s, of which "
            f"measuring {entry['measuring_share']:.0%}"
        )
    console.print(predictor_table(found))
    console.print(rule_table(found["rules"]))
    print("calibration:", found["calibration"])
    print("forecasts:", json.dumps(found["forecasts"], indent=1))
    if (folder / "remedies.jsonl").exists():
        for name, (sound, learns) in remedy_rates(folder).items():
            print(f"remedy {name}: no longer diverges {sound}; and learns {learns}")


def predictor_table(found: dict[str, Any]) -> Table:
    """A line for each predictor, the best AUROC first."""
    table = Table(
        "predictor", f"AUROC, {HORIZON} updates", "AUROC, ever", "caught", "false alarms",
        "precision", "median lead",
        title="test split; thresholds at 5 % false alarms in training", title_justify="left",
    )  # fmt: skip
    label = str(HORIZON)
    entries = sorted(
        found["predictors"].items(), key=lambda item: -(item[1]["auroc"][label]["value"] or 0)
    )
    for name, entry in entries:
        alarm = entry["alarm"]
        areas = [_area(entry["auroc"][key]) for key in (label, "ever")]
        rates = [_rate(alarm[key]) for key in ("caught", "false_alarms", "precision")]
        table.add_row(name, *areas, *rates, _percent(alarm["median_lead"]))
    return table


def rule_table(rules: dict[str, Any]) -> Table:
    """The monitor's rules, before and after their constants were set."""
    table = Table("rule", "constants", "caught", "false alarms", "median lead", title="monitor")
    for when in ("before", "after"):
        for name, alarm in rules[when].items():
            rates = [_rate(alarm[key]) for key in ("caught", "false_alarms")]
            table.add_row(name, when, *rates, _percent(alarm["median_lead"]))
    return table


def remedy_rates(folder: Path) -> dict[str, tuple[Rate, Rate]]:
    """Remedy → runs that no longer diverge, and runs that learn, of those it was tried on."""
    records = read_table(folder / "remedies.jsonl").records()
    found = {}
    for name in REMEDIES:
        tried = [record[name] for record in records if name in record]
        sound = sum(each["blow_up"] is None for each in tried)
        learns = sum(each["learns"] for each in tried)
        found[name] = Rate(sound, len(tried)), Rate(learns, len(tried))
    return found


def _area(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "–"
    return f"{entry['value']:.3f} [{entry['low']:.2f}, {entry['high']:.2f}]"


def _rate(entry: dict[str, Any]) -> str:
    return str(Rate(entry["count"], entry["total"]))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
