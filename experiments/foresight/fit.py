"""Everything that is set by evidence, from the training split alone; the test split stays closed.

It writes ``thresholds.json``: a threshold for each predictor, the kind of combination and its
threshold, and the constants of the monitor's rules. ``evaluate`` reads that file, and only then
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
from experiments.foresight.moments import moments
from experiments.foresight.rules import FORESIGHT, constants, replay
from experiments.foresight.scoring import auroc, first_alarms, threshold_at
from qdiverge.runs import provenance
from qdiverge.runs.whole import write_whole

FALSE_ALARMS = 0.05  # of the safe runs of training; what a threshold allows
MONITOR = "monitor"  # all rules together
BEFORE: dict[str, Any] = {  # the constants of the rules before this study
    "growth.NUM_POINTS": 6,
    "growth.QUARTER": 4.0,
    "growth.MIN_R_SQUARED": 0.9,
    "growth.ERRORS_GROWN": 1.5,
    "growth.HORIZON": 2.0,
    "growth.LINEAR_HORIZON": 0.5,
    "growth.LEVELLING": 0.8,
    "linearised.NUM_VERDICTS": 3,
    "linearised.AGREEMENT": 2.0,
    "linearised.HORIZON": 4.0,
    "linearised.NUM_IN_A_ROW": 5,
    "linearised.PREDICTED": 2.0,
    "linearised.DOUBLED": 2.0,
}
CANDIDATES: dict[str, tuple[Any, ...]] = {  # for the constants of the monitor's rules
    "growth.NUM_POINTS": (5, 4),
    "growth.QUARTER": (3.0, 2.0, 6.0),
    "growth.MIN_R_SQUARED": (0.8, 0.95),
    "growth.ERRORS_GROWN": (1.2, 1.0, 2.0),
    "growth.HORIZON": (1.0, 4.0),
    "growth.LINEAR_HORIZON": (1.0,),
    "growth.LEVELLING": (0.6, 1.0),
    "linearised.NUM_VERDICTS": (2,),
    "linearised.AGREEMENT": (4.0,),
    "linearised.HORIZON": (8.0,),
    "linearised.NUM_IN_A_ROW": (3,),
    "linearised.PREDICTED": (1.0, 4.0),
    "linearised.DOUBLED": (1.5, 4.0),
}


def fit(folder: Path = RESULTS) -> dict[str, Any]:
    """Set every threshold from the training split; write and return them."""
    header, runs = load("train", folder)
    found = set_thresholds(runs)
    found = {
        "provenance": provenance(),
        "corpus": {"sha256": digest("train", folder), "commit": header["commit"]},
        **found,
    }
    text = json.dumps(found, indent=1, ensure_ascii=False)
    write_whole(folder / "thresholds.json", text + "\n")
    return found


def set_thresholds(runs: list[Run]) -> dict[str, Any]:
    """Thresholds of the predictors, of the combination, and constants of the rules."""
    seen = moments(runs)
    is_safe = np.array([not run.outcome.is_divergent for run in runs])
    has_answer, happens = seen.within(HORIZON)

    def judged(said: np.ndarray) -> dict[str, Any]:
        threshold = threshold_at(said, seen.run, is_safe, FALSE_ALARMS)
        alarms = report(runs, first_alarms(said, seen.run, seen.update, threshold))
        area = round(auroc(said[has_answer], happens[has_answer]), 4)
        area_or_none = None if np.isnan(area) else area
        return {"threshold": threshold, "auroc": area_or_none, "train": alarms.as_json()}

    predictors = {name: judged(scores) for name, scores in seen.scores.items()}
    group = np.array([runs[index].cell.problem for index in seen.run])
    left_outs = {kind: left_out(kind, seen, group) for kind in KINDS}  # problem by problem
    judgements = {kind: judged(said) for kind, said in left_outs.items()}
    areas = {kind: found["auroc"] for kind, found in judgements.items()}
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
    """The monitor's rules as they are, and with the constants that catch most at the allowed rate.

    One constant at a time is changed, the one that gains most, as long as one gains.
    """
    values = chosen = BEFORE
    with constants(values):
        before = best = judge_rules(runs)
    is_better = True
    while is_better:
        is_better = False
        for name, candidates in CANDIDATES.items():
            for candidate in candidates:
                tried = values | {name: candidate}
                with constants(tried):
                    found = judge_rules(runs)
                if _merit(found[MONITOR]) > _merit(best[MONITOR]):
                    best, chosen, is_better = found, tried, True
        values = chosen if is_better else values
    return {
        "constants": values,
        "before": {name: entry.as_json() for name, entry in before.items()},
        "after": {name: entry.as_json() for name, entry in best.items()},
    }


def _merit(found: AlarmReport) -> tuple[bool, int, float]:
    is_allowed = found.false_alarms.value <= FALSE_ALARMS
    return (
        is_allowed,
        found.caught.count if is_allowed else -found.false_alarms.count,
        found.median_lead,
    )


def judge_rules(runs: list[Run]) -> dict[str, AlarmReport]:
    """What each rule does on the runs, and all of them together, "monitor"."""
    fired = [replay(run) for run in runs]
    found = {
        name: report(runs, {i: each[name] for i, each in enumerate(fired) if name in each})
        for name in FORESIGHT
    }
    first = {i: min(each.values()) for i, each in enumerate(fired) if each}
    return found | {MONITOR: report(runs, first)}
