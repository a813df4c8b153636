"""Bugs of the data itself: what a batch shows, and a replay in the order in which it was filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from qdiverge.batch_reading import TRUNCATED, as_transitions, field_of
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.td_columns import Array, Flags

MOST = 0.95  # of the rows, before a pattern is called one
RIDGE = 1e-6
CLEAR = 0.5  # by how much more of the variance another row must explain


def audit_rows(batch: Transitions) -> list[Finding]:
    """Return what the rows of one batch show, in whatever order.

    >>> s, r = torch.arange(4.0)[:, None], torch.ones(4)
    >>> batch = Transitions(s, torch.zeros(4).long(), r, s, torch.zeros(4))
    >>> [str(f)[:52] for f in audit_rows(batch)]
    ["state_never_updated: s' equals s in 100% of the rows"]
    """
    if len(batch) < 4:
        return []
    s, following = batch.observations.flatten(1), batch.next_observations.flatten(1)
    if bool((s == s[:1]).all()):
        is_fixed = bool((following == s).all())  # a problem of one state, as in a bandit
        return [] if is_fixed else [finding("constant_rows", num_rows=len(s))]
    same = float((s == following).all(1).double().mean())
    return [finding("state_never_updated", share=same)] if same >= MOST else []


def audit_data(replay: Any) -> list[Finding]:
    """Return what is wrong with transitions in the order in which they were made.

    Looked at are: s'_t = s_{t+1} within an episode, rows stored twice, which row's action and
    reward go with s_t → s'_t (by least squares), and terminal flags. An order that is not in time
    makes no finding but "successors_do_not_follow".

    Args:
        replay: T transitions of one environment: a dict, an object of any library; also read are
            ``truncated`` flags.

    Raises:
        InvalidTypeError: a field is missing.

    >>> s = torch.arange(50.0)[:, None] % 7
    >>> replay = dict(obs=s[:-1], actions=torch.zeros(49).long(), rewards=torch.ones(49),
    ...               next_obs=s[1:], dones=torch.zeros(49))
    >>> audit_data(replay)
    []
    >>> [f.code for f in audit_data(replay | {"next_obs": s[:-1] + 1.5})]
    ['successors_do_not_follow']
    """
    batch = as_transitions(replay).plain()
    findings = audit_rows(batch)
    if findings or len(batch) < 20:
        return findings
    s, following = (
        numbers(batch.observations.flatten(1)),
        numbers(batch.next_observations.flatten(1)),
    )
    truncated = field_of(replay, *TRUNCATED)
    cut = np.zeros(len(s)) if truncated is None else numbers(truncated.reshape(-1))
    ends = (numbers(batch.terminated) > 0) | (cut > 0)
    repeated = (s[1:] == s[:-1]).all(1) & (following[1:] == following[:-1]).all(1)
    if repeated.mean() >= 0.4:
        return [finding("repeated_rows", share=float(repeated.mean()))]
    inner = ~ends[:-1]
    follows = (following[:-1] == s[1:]).all(1)
    share = float(follows[inner].mean()) if inner.any() else 1.0
    if share < 0.5:
        two = (following[:-2] == s[2:]).all(1)[~ends[:-2] & ~ends[1:-1]]
        hint = ": it is the s after that" if len(two) and two.mean() > 0.5 else ""
        return [finding("successors_do_not_follow", share=share, hint=hint)]
    findings += of_flags(ends, follows)
    change, A = following - s, _coded(batch)
    findings += shifted("actions_shifted", change, A, ends)
    findings += shifted("rewards_shifted", numbers(batch.rewards)[:, None],
                    np.concatenate([s, change, A, ends[:, None] * 1.0], 1), ends)  # fmt: skip
    return findings


def of_flags(ends: Flags, follows: Flags) -> list[Finding]:
    """Return whether episodes end, at differing lengths, and no flag says so."""
    breaks = np.flatnonzero(~follows)
    if ends.any() or len(breaks) < 4:
        return []
    lengths = np.diff(breaks)
    is_limit = np.bincount(lengths).max() > 0.5 * len(lengths)  # of one length: cut by a limit
    return [] if is_limit else [finding("terminals_never_come", num_episodes=len(breaks))]


def shifted(code: str, wanted: Array, given: Array, ends: Flags) -> list[Finding]:
    """Return whether another row's ``given`` explains ``wanted`` far better than the row's own."""
    scale = wanted.std(0)
    wanted = (wanted - wanted.mean(0))[:, scale > 1e-9] / scale[scale > 1e-9]
    if not wanted.shape[1] or len(wanted) < 10 * given.shape[1]:
        return []
    inner = ~(ends | np.roll(ends, 1) | np.roll(ends, -1))[1:-1]
    shares = {
        offset: _explained(wanted[1:-1][inner], np.roll(given, -offset, 0)[1:-1][inner])
        for offset in (-1, 0, 1)
    }
    best = max(shares, key=lambda offset: shares[offset])
    if best and shares[best] > shares[0] + CLEAR:
        return [finding(code, offset=best, explained=shares[best], own=shares[0])]
    return []


def _explained(wanted: Array, given: Array) -> float:
    """Return the largest share of a column's variance that a linear map of ``given`` explains."""
    x = np.concatenate([given, np.ones((len(given), 1))], 1)
    if len(x) < 2 * x.shape[1]:
        return 0.0
    y = wanted - wanted.mean(0)
    c = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y)
    total = (y**2).sum(0)
    return float((1 - ((y - x @ c) ** 2).sum(0)[total > 0] / total[total > 0]).max(initial=0.0))


def _coded(batch: Transitions) -> Array:
    """Return the actions as numbers: one-hot where they are integers."""
    if batch.actions.is_floating_point():
        return numbers(batch.actions)
    return numbers(torch.nn.functional.one_hot(batch.actions.long().reshape(-1)).double())
