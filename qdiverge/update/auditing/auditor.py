"""Audit a run as it goes: what one gradient cannot tell, several can."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qdiverge.checks import check_integer
from qdiverge.update.auditing.audit import Audit, audit
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.still_calls import Networks, modules_of

AMBIGUOUS = frozenset({"gradients_accumulate", "other_loss"})


class Auditor:
    """Looks at a loop's updates, and says each thing once.

    Beside what :func:`audit` sees it tells old gradients from another loss, by comparing with the
    gradient of the update before, and a target that never moves.

    Args:
        q_net: As of :func:`audit`.
        every: The cost knob: updates between two audits, the first sixteen doublings apart. An
            audit costs about as much as two updates; a look that is none a few microseconds.
        target_patience: Updates after which a target that has not moved is called so.
        options: Of :func:`audit`: discount, target, optimizer, policy, bootstrap, loss, …

    Attributes:
        num_looks: Updates seen.
        latest: The newest :class:`Audit`; None before the first.
        findings: All that was said, in order.

    >>> q_net = torch.nn.Linear(1, 1, bias=False)
    >>> auditor, s = Auditor(q_net, discount=0.0, every=1), torch.ones(4, 1)
    >>> batch = dict(obs=s, actions=torch.zeros(4).long(), rewards=torch.ones(4), next_obs=s,
    ...              dones=torch.zeros(4))
    >>> for _ in range(3):  # zero_grad() is missing; but one parameter cannot tell
    ...     ((q_net(s)[:, 0] - 1) ** 2).mean().backward()
    ...     new = auditor.look(batch)
    >>> auditor.num_looks, new, auditor.latest.loss
    (3, [], 'half_squared')
    """

    def __init__(
        self, q_net: Networks, *, every: int = 100, target_patience: int = 10_000, **options: Any
    ) -> None:
        modules_of("q_net", q_net)
        self.q_net, self.options = q_net, options
        self.every = check_integer("every", every, 1)
        self.target_patience = check_integer("target_patience", target_patience, 1)
        self.num_looks = 0
        self.latest: Audit | None = None
        self.findings: list[Finding] = []
        self._said: set[str] = set()
        self._previous: Tensor | None = None
        self._doubtful = 0  # looks at which the gradient is still kept
        self._prints: tuple[Tensor, Tensor] | None = None
        self._since_move = 0

    @property
    def is_due(self) -> bool:
        """Return whether the coming look is an audit."""
        n = self.num_looks
        return self._doubtful > 0 or n % self.every == 0 or (n < self.every and n & (n - 1) == 0)

    def look(self, batch: Any) -> list[Finding]:
        """Look at one update, after ``backward()`` and before ``step()``; return what is new.

        Raises:
            QDivergeError: as of :func:`audit`.
        """
        is_due, findings = self.is_due, self._watch_target()
        self.num_looks += 1
        if is_due:
            findings += self.examine(batch)
        new = [f for f in findings if f.code not in self._said]
        self._said |= {f.code for f in new}
        self.findings += new
        return new

    def examine(self, batch: Any) -> list[Finding]:
        """Audit this very update, and return all that is found, whether it was said or not.

        Where ``is_doubtful`` is set afterwards, the next update tells more.

        Raises:
            QDivergeError: as of :func:`audit`.
        """
        self.latest = audit(self.q_net, batch, previous_gradient=self._previous, **self.options)
        findings = list(self.latest.findings)
        if {f.code for f in findings} >= AMBIGUOUS:
            findings = self._doubt(findings)
        else:
            self._doubtful = 0
        self._previous = self._gradient() if self._doubtful else None
        return findings

    @property
    def is_doubtful(self) -> bool:
        """Return whether an audit of the next update tells old gradients from another loss."""
        return self._doubtful > 0

    @property
    def previous_gradient(self) -> Tensor | None:
        """Return the gradient of the update before, where it is kept."""
        return self._previous

    def forget(self) -> None:
        """Forget the gradient that is kept: the next update was not examined."""
        self._doubtful, self._previous = 0, None

    def _doubt(self, found: list[Finding]) -> list[Finding]:
        """Return the findings for now: whether old gradients are kept shows at the next look."""
        if self._previous is None:
            self._doubtful = 1
            return [f for f in found if f.code not in AMBIGUOUS]
        self._doubtful = 0
        return [f for f in found if f.code != "gradients_accumulate"]

    def _gradient(self) -> Tensor:
        parameters = [p for m in modules_of("q_net", self.q_net) for p in m.parameters()]
        given = [p.grad for p in parameters if p.requires_grad and p.grad is not None]
        return torch.cat([g.detach().to_dense().reshape(-1) for g in given])

    def _watch_target(self) -> list[Finding]:
        """Return whether the target stands still while the network moves."""
        target = self.options.get("target")
        if target is None or self.num_looks % min(self.every, 100):
            return []
        now = _print(self.q_net), _print(target)
        if self._prints is not None:
            moved = [not torch.equal(a, b) for a, b in zip(self._prints, now, strict=True)]
            if moved[1]:
                self._since_move = self.num_looks
            elif not moved[0]:
                self._since_move += min(self.every, 100)  # nothing is trained: no wonder
        self._prints = now
        waited = self.num_looks - self._since_move
        if waited < self.target_patience:
            return []
        return [finding("target_never_moves", num_updates=waited)]


def _print(networks: Networks) -> Tensor:
    """Return a few numbers of each parameter, whose change tells that the network moved."""
    parameters = [p for m in modules_of("target", networks) for p in m.parameters() if p.numel()]
    flat = [p.detach().reshape(-1) for p in parameters]
    return torch.cat([x[:: max(1, len(x) // 8)][:8].clone() for x in flat])
