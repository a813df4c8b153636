"""Everything that is set by evidence, from the training split alone; the test split stays closed.

It writes ``thresholds.json``: a threshold for each predictor, the kind of combination and its
threshold, and those of the monitor's rules. ``evaluate`` reads that file, and only then
opens the test split.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.foresight.alarms import AlarmReport, report
from experiments.foresight.combination import HORIZON, KINDS, left_out
from experiments.foresight.corpus import RESULTS, Run, digest, load
from experiments.foresight.moments import moments_of
from experiments.foresight.rules import FORESIGHT, replay, with_values
from experiments.foresight.scoring import auroc, first_alarms, threshold_at
from qdiverge.monitor.rules.thresholds import Thresholds
from qdiverge.runs import provenance
from qdiverge.runs.whole import write_whole

FALSE_ALARMS = 0.05  # of the safe runs of training; what a threshold allows
MONITOR = "monitor"  # all rules together
BEFORE: dict[str, float] = {  # the thresholds of the rules before this study
    "growth.num_points": 6,
    "growth.window_growth": 4.0,
    "growth.min_r_squared": 0.9,
    "growth.min_error_growth": 1.5,
    "growth.exponential_horizon": 2.0,
    "growth.linear_horizon": 0.5,
    "growth.min_late_rise": 0.8,
    "linearised.num_growing": 3,
    "linearised.rate_agreement": 2.0,
    "linearised.horizon": 4.0,
    "linearised.num_excited": 5,
    "linearised.min_e_folds": 2.0,
    "linearised.min_error_growth": 2.0,
}
CANDIDATES: dict[str, tuple[float, ...]] = {  # for these thresholds
    "growth.num_points": (5, 4),
    "growth.window_growth": (3.0, 2.0, 6.0),
    "growth.min_r_squared": (0.8, 0.95),
    "growth.min_error_growth": (1.2, 1.0, 2.0),
    "growth.exponential_horizon": (1.0, 4.0),
    "growth.linear_horizon": (1.0,),
    "growth.min_late_rise": (0.6, 1.0),
    "linearised.num_growing": (2,),
    "linearised.rate_agreement": (4.0,),
    "linearised.horizon": (8.0,),
    "linearised.num_excited": (3,),
    "linearised.min_e_folds": (1.0, 4.0),
    "linearised.min_error_growth": (1.5, 4.0),
}


def fit(folder: Path = RESULTS) -> dict[str, Any]:
    """Set every threshold from the training split; write and return them."""
    header, runs = load("train", folder)
    thresholds = {
        "provenance": provenance(),
        "corpus": {"sha256": digest("train", folder), "commit": header["commit"]},
        **set_thresholds(runs),
    }
    text = json.dumps(thresholds, indent=1, ensure_ascii=False)
    write_whole(folder / "thresholds.json", text + "\n")
    return thresholds


def set_thresholds(runs: list[Run]) -> dict[str, Any]:
    """Return thresholds of the predictors, of the combination and of the rules."""
    moments = moments_of(runs)
    is_safe = np.array([not run.outcome.is_divergent for run in runs])
    has_answer, happens = moments.within(HORIZON)

    def judged(scores: np.ndarray) -> dict[str, Any]:
        threshold = threshold_at(scores, moments.run, is_safe, FALSE_ALARMS)
        alarms = report(runs, first_alarms(scores, moments.run, moments.update, threshold))
        area = round(auroc(scores[has_answer], happens[has_answer]), 4)
        area_or_none = None if np.isnan(area) else area
        return {"threshold": threshold, "auroc": area_or_none, "train": alarms.as_json()}

    predictors = {name: judged(scores) for name, scores in moments.scores.items()}
    group = np.array([runs[index].cell.problem for index in moments.run])
    left_outs = {kind: left_out(kind, moments, group) for kind in KINDS}  # problem by problem
    judgements = {kind: judged(scores) for kind, scores in left_outs.items()}
    areas = {kind: judgement["auroc"] for kind, judgement in judgements.items()}
    kind = max(areas, key=lambda each: areas[each] or 0.0)
    combination = {"kind": kind, "left_out_auroc": areas, **judgements[kind]}
    return {
        "horizon": HORIZON,
        "false_alarms": FALSE_ALARMS,
        "predictors": predictors,
        "combination": combination,
        "rules": fit_rules(runs),
    }


def fit_rules(runs: list[Run]) -> dict[str, Any]:
    """Return what the rules do as before, and by thresholds that catch most at the allowed rate.

    One threshold at a time is changed, the one that gains most, as long as one gains.
    """
    values = chosen = BEFORE
    before = best = judge_rules(runs, with_values(values))
    is_better = True
    while is_better:
        is_better = False
        for name, candidates in CANDIDATES.items():
            for candidate in candidates:
                tried = values | {name: candidate}
                reports = judge_rules(runs, with_values(tried))
                if _merit(reports[MONITOR]) > _merit(best[MONITOR]):
                    best, chosen, is_better = reports, tried, True
        values = chosen if is_better else values
    return {
        "constants": values,
        "before": {name: entry.as_json() for name, entry in before.items()},
        "after": {name: entry.as_json() for name, entry in best.items()},
    }


def _merit(alarms: AlarmReport) -> tuple[bool, int, float]:
    is_allowed = alarms.false_alarms.value <= FALSE_ALARMS
    count = alarms.caught.count if is_allowed else -alarms.false_alarms.count
    return is_allowed, count, alarms.median_lead


def judge_rules(runs: list[Run], thresholds: Thresholds) -> dict[str, AlarmReport]:
    """Return what each rule does on the runs, and all of them together, "monitor"."""
    fired = [replay(run, thresholds) for run in runs]
    reports = {
        name: report(runs, {i: each[name] for i, each in enumerate(fired) if name in each})
        for name in FORESIGHT
    }
    first = {i: min(each.values()) for i, each in enumerate(fired) if each}
    return reports | {MONITOR: report(runs, first)}
