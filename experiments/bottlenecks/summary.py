"""What the records of the study come to, seed by seed."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import spearmanr

from experiments.tables import Record, grouped


def by_seed(records: Iterable[Record]) -> list[Record]:
    """Return a record for each seed of each cell.

    >>> by_seed([{"study": "steps", "seeds": [{"returns": 0.5}, {"returns": 1.0}]}])
    [{'study': 'steps', 'returns': 0.5}, {'study': 'steps', 'returns': 1.0}]
    """
    return [
        {name: value for name, value in record.items() if name != "seeds"} | seed
        for record in records
        for seed in record["seeds"]
    ]


def divergences(seeds: Iterable[Record]) -> tuple[int, int]:
    """Return how many runs of multilayer networks diverged, and how many there are."""
    diverged = [s["diverged"] for s in seeds if s["network"] not in ("tabular", "linear")]
    return sum(diverged), len(diverged)


def correlations(seeds: Iterable[Record]) -> dict[str, tuple[float, float]]:
    """Return Spearman's ρ and its p-value of entropy and of shift against return.

    Over the weightings study, after taking each domain's mean off both sides.
    """
    domains = grouped((s for s in seeds if s["study"] == "weightings"), "domain")
    if not domains:
        return {}
    centred = {
        name: np.concatenate(
            [_centred([seed[name] for seed in own]) for _, own in sorted(domains.items())]
        )
        for name in ("entropy", "shift", "returns")
    }
    returns = centred.pop("returns")
    if len(returns) < 3:
        return {}
    tests = {name: spearmanr(values, returns) for name, values in centred.items()}
    return {name: (float(test.statistic), float(test.pvalue)) for name, test in tests.items()}


def _centred(values: list[float]) -> np.ndarray:
    return np.array(values) - np.mean(values)


def mean_with_error(seeds: list[Record], measure: str) -> str:
    """Return the mean of a measure with its standard error.

    >>> mean_with_error([{"returns": 1.0}, {"returns": 3.0}], "returns")
    '2 ± 1'
    """
    values = [seed[measure] for seed in seeds]
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.3g} ± {error:.1g}"
