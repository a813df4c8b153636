"""Look for the way in which a loop makes its gradient, among those that bugs are known for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from qdiverge.update.auditing.factor_fit import fit
from qdiverge.update.auditing.gradient_gram import Gram
from qdiverge.update.auditing.td_columns import Array, Columns, Hypothesis

STARTS = 10  # hypotheses from which the factors are fitted


def around(columns: Columns, declared: Hypothesis, discount: float) -> Iterator[Hypothesis]:
    """Yield hypotheses with up to a few things different from the declared one."""
    losses = ("half_squared", "huber")
    following = [name for name in columns.following if "/" not in name]
    powers = [1.0, *(discount ** (n - 1) for n in (2, 3, 5)), 1 / discount if discount else 1.0]
    for loss, m, terminal in product(losses, following, (0.0, 1.0)):
        now = replace(declared, loss=loss, bootstrap=m, terminal_factor=terminal)
        for power in powers:
            yield replace(now, terminal_factor=terminal * power, discount_factor=power)
        for rewards, weights in product(columns.rewards, columns.weights):
            yield replace(now, rewards=rewards, weights=weights)
    for loss, terminal, m in product(losses, (0.0, 1.0), columns.following):
        now = replace(declared, loss=loss, terminal_factor=terminal, bootstrap=m)
        yield replace(now, is_broadcast=True)
        yield replace(now, truncated_factor=0.0)
        yield replace(now, discount_factor=0.0, terminal_factor=1.0)  # the mask inverted
        for actions in columns.q:
            yield replace(now, actions=actions)


def search(
    columns: Columns,
    declared: Hypothesis,
    discount: float,
    gram: Gram,
    actions: dict[str, Array],
) -> list[tuple[float, Hypothesis]]:
    """Return the hypotheses that leave least of ‖g‖² unexplained, with that share, best first.

    Args:
        columns: The batch.
        declared: What the loop is said to do.
        discount: γ, whose powers are tried.
        gram: K and J g.
        actions: The actions whose Q may be trained, integers [N], by name.
    """
    tried = list(dict.fromkeys(around(columns, declared, discount)))
    ranked = rank(columns, tried, gram, actions)
    fitted = []
    for _, start in diverse(ranked):
        if start.is_broadcast:
            continue
        starts = [start] if start.rewards == "shown" else [start, replace(start, rewards="shown")]
        if start.rewards == "none":
            starts = [replace(start, rewards="shown", reward_factor=0.0)]
        for one in starts:
            explained = fit(columns, one, gram.at(actions[one.actions]))
            fitted += [] if explained is None else [explained]
    both = ranked[:STARTS] + rank(columns, fitted, gram, actions)
    return sorted(both, key=lambda pair: pair[0])


def rank(
    columns: Columns, hypotheses: list[Hypothesis], gram: Gram, actions: dict[str, Array]
) -> list[tuple[float, Hypothesis]]:
    """Return the hypotheses with their unexplained shares, least first."""
    ranked: list[tuple[float, Hypothesis]] = []
    for name in actions:
        own = [h for h in hypotheses if h.actions == name]
        if own:
            slopes = np.stack([columns.slopes(h)[:, 0] for h in own])
            shares = gram.at(actions[name]).unexplained(slopes)
            ranked += zip(shares.tolist(), own, strict=True)
    return sorted(ranked, key=lambda pair: pair[0])


def diverse(ranked: list[tuple[float, Hypothesis]]) -> list[tuple[float, Hypothesis]]:
    """Return the best of each loss, bootstrap, rewards and actions: each a start of its own."""
    best: dict[tuple[str, ...], tuple[float, Hypothesis]] = {}
    for share, h in ranked:
        best.setdefault((h.loss, h.bootstrap, h.rewards, h.actions, h.weights), (share, h))
    by_bootstrap: dict[tuple[str, str], tuple[float, Hypothesis]] = {}
    for share, h in ranked:
        by_bootstrap.setdefault((h.loss, h.bootstrap), (share, h))
    chosen = [*list(best.values())[:STARTS], *by_bootstrap.values()]
    return list({id(h): (share, h) for share, h in chosen}.values())
