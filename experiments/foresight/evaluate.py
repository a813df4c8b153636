"""The test split: opened here alone, after every threshold was read from ``thresholds.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.foresight.alarms import report
from experiments.foresight.combination import HORIZON, fit_combination
from experiments.foresight.corpus import RESULTS, Run, digest, load
from experiments.foresight.fit import BEFORE, MONITOR, judge_rules
from experiments.foresight.moments import Moments, View, forecast, moments_of
from experiments.foresight.problems import PROBLEMS
from experiments.foresight.rules import replay, with_values
from experiments.foresight.scoring import auroc, by_runs, first_alarms
from qdiverge.errors import RunFolderError
from qdiverge.monitor.rules.thresholds import Thresholds
from qdiverge.runs import provenance
from qdiverge.runs.whole import write_whole

HORIZONS = (25, 60, 150)  # updates
SHARES = (0.5, 1.0)  # of the time so far
COMBINATION = "fitted combination"
NUM_BINS = 5  # of the calibration


def read_thresholds(folder: Path = RESULTS) -> dict[str, Any]:
    """Read what ``fit`` has set.

    Raises:
        RunFolderError: it has not been set, or from another training split.
    """
    path, remedy = folder / "thresholds.json", "Run: python -m experiments foresight fit"
    if not path.exists():
        raise RunFolderError("the thresholds must be set first", got=f"no {path}", remedy=remedy)
    thresholds: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if thresholds["corpus"]["sha256"] != digest("train", folder):
        raise RunFolderError(
            "the thresholds must be those of this training split", got=path, remedy=remedy
        )
    return thresholds


def evaluate(folder: Path = RESULTS) -> dict[str, Any]:
    """Judge every predictor and rule on the test split; write ``evaluation.json`` and return it."""
    thresholds = read_thresholds(folder)
    train = load("train", folder)[1]
    combination = fit_combination(thresholds["combination"]["kind"], moments_of(train))
    header, test = load("test", folder)  # from here on nothing is fitted
    moments = moments_of(test)
    scores = moments.scores | {COMBINATION: combination(moments)}
    limits = {name: entry["threshold"] for name, entry in thresholds["predictors"].items()}
    limits[COMBINATION] = thresholds["combination"]["threshold"]
    fitted = with_values(thresholds["rules"]["constants"])
    evaluation = {
        "provenance": provenance(),
        "corpus": {"sha256": digest("test", folder), "commit": header["commit"]},
        "runs": {"train": describe(train), "test": describe(test)},
        "predictors": {name: judge(scores[name], limits[name], moments, test) for name in scores},
        "rules": {
            when: {name: each.as_json() for name, each in judge_rules(test, rules).items()}
            for when, rules in (("before", with_values(BEFORE)), ("after", fitted))
        },
        "calibration": calibration(scores[COMBINATION], moments),
        "forecasts": forecasts(test),
        "where": where(scores, limits, moments, test, fitted),
    }
    text = json.dumps(evaluation, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "evaluation.json", text + "\n")
    return evaluation


def describe(runs: list[Run]) -> dict[str, Any]:
    """Return outcomes, times to blow-up and cost."""
    outcomes = Counter(run.outcome.name for run in runs)
    times = [run.outcome.blow_up for run in runs if run.outcome.blow_up is not None]
    problems: dict[str, Counter[str]] = {}
    for run in runs:
        problems.setdefault(run.cell.problem, Counter())[run.outcome.name] += 1
    cpu = sum(run.cpu_seconds for run in runs)
    measuring = sum(run.cpu_seconds * run.measuring_share for run in runs)
    return {
        "number": len(runs),
        "outcomes": dict(outcomes),
        "problems": {name: dict(counts) for name, counts in problems.items()},
        "networks": sorted({run.cell.network for run in runs}),
        "blow_up_quartiles": [round(float(q)) for q in np.quantile(times, [0.25, 0.5, 0.75])]
        if times
        else [],
        "cpu_seconds": round(cpu),
        "measuring_share": round(measuring / cpu, 3),
    }


def judge(
    scores: np.ndarray, threshold: float, moments: Moments, runs: list[Run]
) -> dict[str, Any]:
    """Return a predictor's AUROC for every question, and its alarm at the threshold of training."""
    horizons: dict[str, Any] = {str(h): float(h) for h in HORIZONS}
    horizons |= {f"{share:.0%} of the time so far": share * moments.update for share in SHARES}
    horizons["ever"] = moments.end - moments.update
    areas = {}
    for label, horizon in horizons.items():
        has_answer, happens = moments.within(horizon)
        areas[label] = _area(scores[has_answer], happens[has_answer], moments.run[has_answer])
    has_answer, happens = moments.within(HORIZON)
    alarms = report(runs, first_alarms(scores, moments.run, moments.update, threshold))
    above = scores[has_answer] > threshold
    hits = int((above & happens[has_answer]).sum())
    return {
        "auroc": areas,
        "moment_precision": {"count": hits, "total": int(above.sum())},
        "alarm": alarms.as_json(),
    }


def _area(scores: np.ndarray, happens: np.ndarray, run: np.ndarray) -> dict[str, Any]:
    value = auroc(scores, happens)
    low, high = by_runs(lambda index: auroc(scores[index], happens[index]), run)
    numbers = {"value": value, "low": low, "high": high}
    rounded: dict[str, Any] = {k: None if np.isnan(v) else round(v, 4) for k, v in numbers.items()}
    return rounded | {"positive": int(happens.sum()), "moments": len(happens)}


def calibration(probability: np.ndarray, moments: Moments) -> dict[str, Any]:
    """Return shares predicted and observed at HORIZON, in bins of equal numbers; Brier's score."""
    has_answer, happens = moments.within(HORIZON)
    p, y = probability[has_answer], happens[has_answer].astype(float)
    order = np.array_split(np.argsort(p, kind="stable"), NUM_BINS)
    bins = [
        {"predicted": round(float(p[i].mean()), 4), "observed": round(float(y[i].mean()), 4),
         "number": len(i)}
        for i in order
    ]  # fmt: skip
    error = sum(b["number"] * abs(b["predicted"] - b["observed"]) for b in bins) / len(p)
    return {
        "bins": bins,
        "brier": round(float(((p - y) ** 2).mean()), 4),
        "brier_of_base_rate": round(float(((y.mean() - y) ** 2).mean()), 4),
        "expected_calibration_error": round(float(error), 4),
    }


FORECASTS: dict[str, Callable[[View], float]] = {
    "growth of |Q|": lambda v: forecast(v.slope("q_abs_max"), v.room),
    "spectral rate with target": lambda v: forecast(v.now("rate"), v.room),
}


def forecasts(runs: list[Run]) -> dict[str, Any]:
    """Return how far forecasts of the crash were off, (t̂ − t)/(T − t), by the time left.

    "early" are the moments in the first half of a run's time to blow-up, "late" those after.
    """
    by_quantity: dict[str, Any] = {}
    for name, rule in FORECASTS.items():
        ratios: dict[str, list[float]] = {"early": [], "late": []}
        for run in runs:
            blow_up = run.outcome.blow_up
            if blow_up is None:
                continue
            for t in run.dear_updates[run.dear_updates < blow_up]:
                ahead = rule(View(run, int(t)))
                ratios["early" if t < blow_up / 2 else "late"].append(ahead / (blow_up - t))
        by_quantity[name] = {
            when: {
                "moments": len(values),
                "forecasts": int(np.isfinite(values).sum()),
                "within_factor_2": int(sum(0.5 <= r <= 2 for r in values)),
                "median_ratio": round(float(np.median([r for r in values if np.isfinite(r)])), 3)
                if np.isfinite(values).any()
                else None,
            }
            for when, values in ratios.items()
        }
    return by_quantity


def where(
    scores: dict[str, np.ndarray],
    limits: dict[str, float],
    moments: Moments,
    runs: list[Run],
    rules: Thresholds,
) -> dict[str, Any]:
    """Return what is caught and what is a false alarm, by problem, optimiser, network, speed."""
    groups: dict[str, Callable[[Run], str | None]] = {
        "family": lambda run: PROBLEMS[run.cell.problem].family,
        "optimiser": lambda run: run.cell.optimizer,
        "bootstrap": lambda run: run.cell.bootstrap,
        "depth": lambda run: str(run.cell.depth),
        "LayerNorm": lambda run: "with" if run.cell.layer_norm else "without",
        "data": lambda run: "offline" if run.cell.offline else "online",
        "time to blow-up": _speed,
    }
    by_group: dict[str, Any] = {}
    best = [COMBINATION, "|Q| threshold", "|Q| growth forecast", "spectral forecast"]
    first = {
        name: first_alarms(scores[name], moments.run, moments.update, limits[name]) for name in best
    }
    fired = [replay(run, rules) for run in runs]
    first[MONITOR] = {i: min(each.values()) for i, each in enumerate(fired) if each}
    for title, of in groups.items():
        by_group[title] = {}
        for value in sorted({of(run) for run in runs} - {None}, key=str):
            chosen = [i for i, run in enumerate(runs) if of(run) == value]
            own = [runs[i] for i in chosen]
            entry = {}
            for name, alarms in first.items():
                mine = {n: alarms[i] for n, i in enumerate(chosen) if i in alarms}
                entry[name] = report(own, mine).as_json()
            by_group[title][str(value)] = entry
    return by_group


def _speed(run: Run) -> str | None:
    """Return a class by the number of updates until the blow-up."""
    blow_up = run.outcome.blow_up
    if blow_up is None:
        return None
    return "≤ 40 updates" if blow_up <= 40 else "41–150" if blow_up <= 150 else "> 150"
