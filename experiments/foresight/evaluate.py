"""What the fixed rules are worth on runs that they were not fixed on.

caught      divergent runs with an alarm before max|Q| first passes B
false       sound runs with an alarm
lead        (T − alarm)/T of every divergent run, T when B is passed; 0 where it was missed
soon        AUROC of "B is passed within 60 updates" at updates 0, 8, 32, 128 of short runs
forecast    update at which the copies of the first alarm pass B / T
time left   (T − alarm) / (that update − alarm), its 5 and 95 %
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from experiments.foresight.ahead import LIMIT, SOON
from experiments.foresight.corpus import RESULTS, Run, digest, load
from experiments.foresight.rules import (
    EARLY,
    JUDGED,
    KINDS,
    RULES,
    Rule,
    kind_of,
    read_rules,
    says,
)
from qdiverge.errors import RunFolderError
from qdiverge.runs import provenance
from qdiverge.runs.whole import write_whole


def evaluate(folder: Path = RESULTS, split: str = "test") -> dict[str, Any]:
    """Judge every rule at its fixed threshold; write ``evaluation.json`` and return it.

    Args:
        folder: Of the corpus and the rules.
        split: "test"; or "dev", on which the rules were set, to see what they do there: nothing is
            written then, nor judged at the monitor's limit, to which its copies were not followed.

    Raises:
        RunFolderError: the rules are not fixed, or not committed: the test split stays closed.
    """
    fixed = read_rules(folder)
    if split != "dev":
        check_committed(folder / "rules.json")
    header, runs = load(split, folder)
    found = {
        "provenance": provenance(),
        "corpus": {"sha256": digest(split, folder), "commit": header["commit"], "split": split},
        "runs": {kind: describe(own) for kind, own in by_kind(runs).items()},
        "rules": {
            kind: {
                name: judge(rule, fixed["thresholds"][kind][name], own)
                for name, rule in RULES[kind].items()
            }
            for kind, own in by_kind(runs).items()
        },
        "at the limit": at_the_limit(fixed["thresholds"], runs) if split == "test" else {},
        "strata": {
            stratum: {
                name: judge(rule, fixed["thresholds"][kind][name], own)
                for name, rule in RULES[kind].items()
                if rule.is_ahead
            }
            for kind, strata in KINDS.items()
            for stratum in strata
            if (own := [run for run in runs if run.cell.stratum == stratum]) and len(strata) > 1
        },
        "soon": soon([run for run in runs if kind_of(run) == "short"]),
        "remedies": remedied(runs),
    }
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    if split == "test":
        write_whole(folder / "evaluation.json", text + "\n")
    return found


def check_committed(path: Path) -> None:
    """Refuse a file that is not, as it is, in the repository's last commit."""
    command = ["git", "-C", str(path.parent), "status", "--porcelain", "--ignored", path.name]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode or asked.stdout:
        raise RunFolderError(
            "the rules must be committed before the test split is opened",
            got=(asked.stdout or asked.stderr).strip(),
            remedy="Commit the file that `python -m experiments foresight fix` wrote.",
        )


def by_kind(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs of each kind that there are, a test split's or another's."""
    found: dict[str, list[Run]] = {kind: [] for kind in RULES}
    for run in runs:
        found[kind_of(run)].append(run)
    return {kind: own for kind, own in found.items() if own}


def describe(runs: Sequence[Run]) -> dict[str, Any]:
    """Return how many there are, what became of them, and when."""
    times = [run.touched for run in runs if run.touched is not None]
    return {
        "number": len(runs),
        "strata": dict(Counter(run.cell.stratum for run in runs)),
        "divergent": dict(Counter(run.cell.stratum for run in runs if run.is_divergent)),
        "stay beyond": sum(run.row["stays"] for run in runs),
        "unbounded": sum(run.row["unbounded"] for run in runs),
        "T quartiles": quartiles(times),
        "cpu_seconds": round(sum(run.row["seconds"] for run in runs)),
    }


def at_the_limit(thresholds: dict[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the monitor's rules do where LIMIT B divides divergent from sound, copies too.

    Their thresholds are in units of it. A call counts before the update that passes B. Copies of
    Pong's runs were not followed so far.

    Raises:
        RunFolderError: it is not known which copies leave LIMIT B.
    """
    found: dict[str, Any] = {}
    for kind, name in JUDGED.values():
        rule, threshold = RULES[kind][name], LIMIT * thresholds[kind][name]
        own = [run.judged_at(LIMIT) for run in runs
               if kind_of(run) == kind and run.cell.stratum != "image"]  # fmt: skip
        asked = (said for run in own for look in rule.looks[0]
                 for _, said in says(run, look, rule.looks[1]))  # fmt: skip
        if threshold > 1 and not all("left" in said for said in asked):
            raise RunFolderError(
                "copies that pass B must have been followed further",
                got=f"some of the {kind} runs that were not",
                remedy="Run: python -m experiments foresight further --split test",
            )
        found.setdefault(kind, {})[name] = judge(rule, threshold, own)
    return found


def judge(rule: Rule, threshold: float, runs: Sequence[Run]) -> dict[str, Any]:
    """Return what a rule does on some runs."""
    caught, stay, false, leads, ratios, left = 0, [0, 0], 0, [], [], []
    for run in runs:
        alarm, T = rule.alarm(run, threshold), run.touched
        if T is None:
            false += alarm is not None
            continue
        is_early = alarm is not None and alarm < T
        caught += is_early
        stay[0] += is_early and run.row["stays"]
        stay[1] += run.row["stays"]
        leads.append((T - alarm) / T if alarm is not None and is_early else 0.0)
        if is_early and alarm is not None and rule.is_ahead:
            ratios.append((when := forecast(rule, run, alarm)) / T)
            left.append((T - alarm) / max(1, when - alarm))
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    return {
        "threshold": threshold,
        "caught": [caught, len(leads)],
        "caught of those that stay": stay,
        "false": [false, len(runs) - len(leads)],
        "median lead": rounded(statistics.median(leads)) if leads else None,
        "copied updates a run": round(cost(rule, threshold, runs)),
        "forecast quartiles": quartiles(known, digits=2),
        "time left": quantiles(left, [0.05, 0.95], digits=2),
        "forecast within a factor of 2": [sum(0.5 <= r <= 2 for r in ratios), len(ratios)],
    }


def forecast(rule: Rule, run: Run, alarm: int) -> float:
    """Return when B is passed by the copies that alarmed, their median; infinite: by few."""
    look = rule.looks[0][-1]
    said = dict(says(run, look, [alarm]))[alarm]
    passed = sorted(float("inf") if p is None else p for p in said["passed"])
    return alarm + statistics.median_high(passed)


def cost(rule: Rule, threshold: float, runs: Sequence[Run]) -> float:
    """Return the mean number of copied updates of a run, until it alarms; a screen's included."""
    looks, updates = rule.looks
    looks = ("x16", *looks) if "live4" in looks else looks  # whose screen it is
    total = 0
    for run in runs:
        alarm = rule.alarm(run, threshold)
        for look in looks:
            total += sum(said["copied"] for update, said in says(run, look, updates)
                         if alarm is None or update <= alarm)  # fmt: skip
    return total / max(1, len(runs))


def auroc(scores: np.ndarray, happens: np.ndarray) -> float:
    """Return P(score of a moment before it happens > score of another), ties counted half.

    By ranks: (Σ ranks of the positives − n₊(n₊+1)/2) / (n₊ n₋). NaN where one kind is missing.

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    positive = int(happens.sum())
    negative = len(happens) - positive
    if not positive or not negative:
        return float("nan")
    above = rankdata(scores)[happens].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def soon(runs: Sequence[Run]) -> dict[str, Any]:
    """Return each number's AUROC of "B is passed within SOON updates", at the early updates."""
    rows: dict[str, list[float]] = {"rehearsal": [], "max|Q|": [], "value churn": []}
    happens = []
    for run in runs:
        for update, said in says(run, "x1", EARLY):
            T, end = run.touched, run.row["num_updates"]
            if T is None and end < update + SOON:
                continue
            happens.append(T is not None and update + SOON >= T)
            rows["rehearsal"].append(statistics.median(said["soon"]))
            place = int(np.searchsorted(run.row["times"], update, side="right")) - 1
            rows["max|Q|"].append(run.row["size_running"][place])
            rows["value churn"].append(run.row["churn_running"][place])
    y = np.array(happens, dtype=bool)
    areas = {name: rounded(auroc(np.array(scores), y)) for name, scores in rows.items()}
    return {"moments": len(y), "positive": int(y.sum()), "auroc": areas}


def remedied(runs: Sequence[Run]) -> dict[str, Any]:
    """Return of each remedy applied: runs kept sound, and that learn, of divergent ones.

    A run learns that is sound and whose mean |δ| ends below its start.
    """
    found: dict[str, Any] = {}
    own = [run for run in runs if run.is_divergent and "remedies" in run.row]
    for name in ("advice", "step / 4", "slow target"):
        rows = [r for run in own if (r := run.row["remedies"]["applied"].get(name)) is not None]
        sound = [row for row in rows if row["touched"] is None]
        found[name] = {
            "applied": len(rows),
            "sound": len(sound),
            "learns": sum(row["td_errors"][1] < row["td_errors"][0] for row in sound),
            "median |δ| left": rounded(statistics.median(
                row["td_errors"][1] / row["td_errors"][0] for row in sound)) if sound else None,
            "median moved": rounded(statistics.median(
                row["moved"] for row in sound)) if sound else None,
        }  # fmt: skip
    found["no advice"] = sum(run.row["remedies"]["advice"] is None for run in own)
    found["held as it is"] = sum(run.row["remedies"]["advice"] == "as it is" for run in own)
    found["runs"] = len(own)
    found["advised"] = dict(Counter(run.row["remedies"]["advice"] for run in own).most_common())
    return found


def quartiles(values: Sequence[float], digits: int = 0) -> list[float]:
    """Return the quartiles; [] of nothing."""
    return quantiles(values, [0.25, 0.5, 0.75], digits)


def quantiles(values: Sequence[float], at: Sequence[float], digits: int) -> list[float]:
    """Return quantiles; [] of nothing."""
    return [round(float(q), digits) for q in np.quantile(values, at)] if values else []


def rounded(value: float) -> float | None:
    """Return four digits; None of NaN."""
    return None if np.isnan(value) else round(float(value), 4)
