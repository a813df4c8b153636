"""Two fitted combinations of all predictors, by scikit-learn, an extra of this study alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from experiments.foresight.moments import Moments
from qdiverge.errors import MissingExtraError

KINDS = ("logistic", "boosted trees")
HORIZON = 60  # updates: the question that they are fitted to


def sklearn(module: str) -> Any:
    """Return a module of scikit-learn.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(f"sklearn.{module}")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the fitted combination needs scikit-learn, which is not installed",
            remedy="Install it: pip install 'qdiverge[foresight]'.",
        ) from error


@dataclass(frozen=True)
class Combination:
    """A fitted model: moments → the probability of a blow-up within HORIZON updates."""

    kind: str
    names: tuple[str, ...]
    model: Any

    def __call__(self, moments: Moments) -> np.ndarray:
        """Return the probability at each moment, [M]."""
        probability: np.ndarray = self.model.predict_proba(table(moments, self.names))[:, 1]
        return probability


def table(moments: Moments, names: tuple[str, ...]) -> np.ndarray:
    """Return the predictors side by side, [M, P]; infinities are cut to large numbers."""
    columns = np.stack([moments.scores[name] for name in names], axis=1)
    return np.clip(columns, -1e6, 1e6)


def fit_combination(kind: str, moments: Moments, keep: np.ndarray | None = None) -> Combination:
    """Fit one to the moments that have an answer, each run weighing as much as any other.

    Args:
        kind: "logistic", on quantiles of each predictor, L2-penalised; or "boosted trees", few and
            shallow.
        moments: Of the training split.
        keep: Which of them to use, bool [M]; None: all.
    """
    names = tuple(moments.scores)
    has_answer, happens = moments.within(HORIZON)
    used = has_answer if keep is None else has_answer & keep
    X, y, run = table(moments, names)[used], happens[used], moments.run[used]
    weights = 1 / np.bincount(run)[run]
    if kind == "logistic":
        model = sklearn("pipeline").make_pipeline(
            sklearn("impute").SimpleImputer(strategy="median", keep_empty_features=True),
            sklearn("preprocessing").QuantileTransformer(
                n_quantiles=min(100, len(X)), output_distribution="normal", random_state=0
            ),
            sklearn("linear_model").LogisticRegression(C=0.1, max_iter=2_000),
        )
        model.fit(X, y, logisticregression__sample_weight=weights)
    else:
        model = sklearn("ensemble").HistGradientBoostingClassifier(
            max_iter=60, max_depth=3, learning_rate=0.1, min_samples_leaf=20, random_state=0
        )
        model.fit(X, y, sample_weight=weights)
    return Combination(kind, names, model)


def left_out(kind: str, moments: Moments, group: np.ndarray) -> np.ndarray:
    """Return what a combination says of each group when it was fitted to the others, [M].

    Args:
        kind: Of KINDS.
        moments: Of the training split.
        group: E.g. the problem of each moment, [M].
    """
    left_out_scores = np.full(len(moments.run), np.nan)
    for each in np.unique(group):
        own = group == each
        left_out_scores[own] = fit_combination(kind, moments, ~own)(moments)[own]
    return left_out_scores
