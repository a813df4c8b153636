"""When a finding of an audit is said: once a second audit has it, or several where causes compete.

One odd batch is never enough. A gradient whose targets are none that are known has several causes
that one batch cannot tell apart (weights that were not shown, a target that was re-bound); where
audits in a row name different ones, what is said is what they share.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from qdiverge.monitor.under_way import AuditedBatch
from qdiverge.update.auditing import Finding
from qdiverge.update.auditing.findings import finding

NUM_MISFITS = 4  # audits in a row
MISFITS = frozenset({"targets_differ", "bootstrap_differs", "weighted"})
# What a batch of which the update took a part looks like, too
OF_SPANS = frozenset({"gradients_accumulate", "other_loss", "wrong_actions"})
BY_ROWS = {"terminals_bootstrapped": "terminated", "truncations_masked": "truncated"}
TRIVIAL = 1e-3  # from its declared value: what a fit may leave of a factor


class Confirming:
    """Findings that wait for a second audit, and those that were said.

    >>> confirming = Confirming()
    >>> found = [finding("terminals_bootstrapped", kept=1.0)]
    >>> confirming.take(found, {}, is_fitted=True), confirming.is_waiting
    ([], True)
    >>> [f.code for f in confirming.take(found, {}, is_fitted=True)]
    ['terminals_bootstrapped']
    >>> confirming.take(found, {}, is_fitted=True)
    []
    """

    def __init__(self) -> None:
        self.said: set[str] = set()
        self._once: set[str] = set()
        self._misfits: list[str] = []

    @property
    def is_waiting(self) -> bool:
        """Return whether an audit of the next update would tell."""
        return bool(self._once - self.said)

    def take(
        self,
        found: Sequence[Finding],
        shown: Mapping[str, Any],
        *,
        is_fitted: bool,
        resolved: frozenset[str] = frozenset(),
    ) -> list[Finding]:
        """Return the findings that are to be said now.

        Args:
            found: Of one audit.
            shown: Its batch: where it has no terminal row, nothing about them can be found.
            is_fitted: Whether the whole gradient is explained, and so each difference exact.
            resolved: Codes that this audit and the one before found out together.
        """
        firm = [f for f in found if is_fitted or f.code not in MISFITS]
        codes = {f.code for f in firm}
        new = [f for f in firm if f.code in (self._once | resolved) - self.said]
        silent = {
            code
            for code, name in BY_ROWS.items()
            if name not in shown or not bool(shown[name].any())
        }
        self._once = (self._once & (codes | silent)) | codes
        loose = [f for f in found if not is_fitted and f.code in MISFITS]
        self._misfits = [*self._misfits, loose[0].code] if loose else []
        if len(self._misfits) >= NUM_MISFITS and not self.said & MISFITS:
            is_one = len(set(self._misfits)) == 1
            new.append(loose[0] if is_one else finding("targets_differ"))
        self.said |= {f.code for f in new}
        return list({f.code: f for f in new}.values())

    def forget(self) -> None:
        """Forget what waits: it was found in another batch than the update's."""
        self._once, self._misfits = set(), []

    def state(self) -> dict[str, list[str]]:
        """Return all that it holds."""
        return {
            "said": sorted(self.said), "once": sorted(self._once), "misfits": list(self._misfits)
        }  # fmt: skip

    def restore(self, state: Mapping[str, Sequence[str]]) -> None:
        """Hold again what ``state`` returned."""
        self.said, self._once = set(state["said"]), set(state["once"])
        self._misfits = list(state["misfits"])


def may_be_said(found: Finding, kept: AuditedBatch, *, is_fitted: bool) -> bool:
    """Return whether a finding cannot come from what the monitor does not see.

    Args:
        found: By an audit.
        kept: What it was shown.
        is_fitted: Whether the whole gradient is explained.
    """
    code = found.code
    if code == "clipped" or is_trivial(found):  # a part of the rule, and nothing wrong
        return False
    if code == "loss_differs" and kept.num_parts > 1:
        return False
    if is_fitted:
        return True
    is_of_part = kept.is_repeated and code in MISFITS | OF_SPANS
    return not (is_of_part or (kept.is_drawn and code in MISFITS))


def is_trivial(found: Finding) -> bool:
    """Return whether a factor differs from the declared one by no more than a fit may leave.

    >>> is_trivial(finding("discount_differs", shown=0.97001, declared=0.97))
    True
    >>> is_trivial(finding("terminals_bootstrapped", kept=0.9))
    False
    """
    evidence = found.evidence
    if found.code == "discount_differs" and evidence["declared"]:
        return abs(evidence["shown"] / evidence["declared"] - 1) < TRIVIAL
    if found.code == "terminals_bootstrapped":
        return abs(evidence["kept"]) < TRIVIAL
    if found.code == "truncations_masked":
        return abs(evidence["kept"] - 1) < TRIVIAL
    is_scaled = found.code == "rewards_differ" and str(evidence["shown"]).startswith("r ×")
    return is_scaled and abs(evidence["factor"] - 1) < TRIVIAL
