"""What the monitor says of its own calls: how often each of its rules was right on the test split.

    python -m experiments foresight rates

writes ``qdiverge/monitor/foresight/measured_rates.json`` from the committed evaluation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.statistics import wilson_interval
from experiments.foresight.corpus import RESULTS
from experiments.foresight.rules import JUDGED
from qdiverge.monitor.foresight import measured_rates
from qdiverge.runs.whole import write_whole


def as_table(folder: Path = RESULTS) -> dict[str, Any]:
    """Return the rates of the rules that the monitor has, from an evaluation."""
    found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    rows = {}
    for evidence, (kind, rule) in JUDGED.items():
        judged, threshold = found["at the limit"][kind][rule], found["rules"][kind][rule]
        rows[evidence] = {"runs": kind, "rule": rule, "threshold": threshold["threshold"]}
        rows[evidence]["left"] = judged["time left"]
        for name in ("caught", "false"):
            count, total = judged[name]
            interval = [round(x, 4) for x in wilson_interval(count, total)]
            rows[evidence][name] = {"count": count, "of": total, "interval": interval}
    return {"corpus": found["corpus"], "rules": rows}


def write_rates(folder: Path = RESULTS) -> Path:
    """Write the package's table; return where it is."""
    text = json.dumps(as_table(folder), indent=1, ensure_ascii=False)
    write_whole(measured_rates.TABLE, text + "\n")
    return measured_rates.TABLE
