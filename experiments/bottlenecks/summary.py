"""From records to the tables of the study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scipy.stats import binomtest, spearmanr

Record = dict[str, Any]
COLUMNS = {
    "architectures": ("network", ("projection_error", "fqi_error", "returns")),
    "samples": ("num_samples", ("train_loss", "validation_loss", "fqi_error", "returns")),
    "steps": ("gradient_steps", ("train_loss", "validation_loss", "fqi_error", "returns")),
    "weightings": ("weighting", ("fqi_error", "returns", "entropy", "shift")),
    "smoothing": ("smoothing", ("fit_error", "fqi_error", "returns")),
    "stopping": ("stopping", ("fqi_error", "returns", "best_returns")),
}


def tables(records: Iterable[Record]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield (title, header, rows): means over domains and seeds, with standard errors."""
    found = list(records)
    for study, (column, measures) in COLUMNS.items():
        chosen = [r for r in found if r["cell"]["study"] == study]
        if not chosen:
            continue
        splits = sorted({r["cell"]["algorithm"] for r in chosen})
        levels = list(dict.fromkeys(r["cell"][column] for r in chosen))
        rows = []
        for algorithm in splits:
            for level in levels:
                seeds = [
                    s for r in chosen for s in r["seeds"]
                    if r["cell"][column] == level and r["cell"]["algorithm"] == algorithm
                ]  # fmt: skip
                if seeds:
                    cells = [_mean(seeds, measure) for measure in measures]
                    rows.append([f"{algorithm} {level}", str(len(seeds)), *cells, _rate(seeds)])
        yield study, [column, "runs", *measures, "diverged"], rows


def divergence_rate(records: Iterable[Record]) -> tuple[int, int, float, float]:
    """Return diverged runs, runs and the 95 % Wilson interval, of the multilayer networks."""
    seeds = [
        s for r in records if r["cell"]["network"] not in ("tabular", "linear") for s in r["seeds"]
    ]
    count = sum(s["diverged"] for s in seeds)
    interval = binomtest(count, len(seeds)).proportion_ci(method="wilson")
    return count, len(seeds), float(interval.low), float(interval.high)


def correlations(records: Iterable[Record]) -> dict[str, tuple[float, float]]:
    """Return Spearman's ρ and its p-value of entropy and of shift against return.

    Over the weightings study, after taking each domain's mean off both sides.
    """
    chosen = [r for r in records if r["cell"]["study"] == "weightings"]
    domains = sorted({r["cell"]["domain"] for r in chosen})
    found = {}
    for name in ("entropy", "shift"):
        x: list[float] = []
        y: list[float] = []
        for domain in domains:
            seeds = [s for r in chosen if r["cell"]["domain"] == domain for s in r["seeds"]]
            for values, key in ((x, name), (y, "returns")):
                column = np.array([s[key] for s in seeds])
                values.extend(column - column.mean())
        if len(x) > 2:
            test = spearmanr(x, y)
            found[name] = float(test.statistic), float(test.pvalue)
    return found


def _mean(seeds: list[Record], measure: str) -> str:
    values = np.array([s[measure] for s in seeds])
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{values.mean():.3g} ± {error:.1g}"


def _rate(seeds: list[Record]) -> str:
    return f"{sum(s['diverged'] for s in seeds)}/{len(seeds)}"
