"""Audit the run's own updates, between their backward pass and their step.

An update is audited where its batch is the one that was just shown: the copy made then, and the
gradient that lies in ``.grad`` when ``optimizer.step`` begins. A finding is said once two audits
have it, so that what one odd batch shows is never said. Where the gradient is of the batch shown
before instead, the loop draws ahead, and is audited so from then on.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from qdiverge.errors import CallError, QDivergeError
from qdiverge.monitor.audited_rule import in_words
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.confirming import MISFITS, OF_SPANS, Confirming, may_be_said
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.seen_rule import SeenRule
from qdiverge.monitor.shown_batch import Shown
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.under_way import AuditedBatch, UnderWay
from qdiverge.update import why_not_modelled
from qdiverge.update.auditing import Audit, Auditor, Finding
from qdiverge.update.auditing import audit as audit_one
from qdiverge.update.auditing.auditor import AMBIGUOUS
from qdiverge.update.auditing.explain import mixes

NUM_FIRST = 3  # audits at the start, whatever they cost
LEAD = 3  # updates to be told of before one that is audited
NUM_AGAIN = 8  # audits of the update after a finding, whatever they cost
NUM_BARE = 10  # updates without a gradient in a row, before no more is waited for one
INSIDE, OUTSIDE = 1e-9, 1e-8  # of |g|² outside a batch's Q-gradients: it is of it, or it is not
NUM_TRIES = 3  # audits of a network that mixes samples, before it is let alone


def next_audit(update: int, period: int) -> int:
    """Return the update to audit after one: the first few, doublings, then each ``period``.

    >>> [next_audit(n, 100) for n in (1, 2, 3, 6, 96, 192)]
    [2, 3, 6, 12, 192, 292]
    """
    return update + 1 if update < NUM_FIRST else min(2 * update, update + period)


def is_of(shown: Shown, auditor: Auditor, previous: torch.Tensor | None) -> bool:
    """Return whether the gradient is of this batch rather than of the one last audited.

    Args:
        shown: The batch.
        auditor: It found the gradient to be unlike the other one's.
        previous: The gradient of the update before, which may still be in it.
    """
    latest = auditor.latest
    assert latest is not None
    if "next_actions" not in shown and shown["actions"].is_floating_point():
        shown = shown | {"next_actions": shown["actions"]}  # a' is not known: the span will tell
    audit = audit_one(auditor.q_net, shown, previous_gradient=previous, **auditor.options)
    is_spanned = 1 - audit.explained < INSIDE and 1 - latest.explained > OUTSIDE
    return audit.bootstrap != "unknown" or is_spanned


class LoopAudit:
    """What the gradients of a run say of its loop, looked at now and then.

    Args:
        subject: The run; what is seen of its rule is told to it.
        guard: Of errors.
        budget: The time that it may take.
        period: Updates between two audits, once doublings are further apart; None: none is made.

    Attributes:
        num_audits: Updates audited.
        num_undecided: Of these, where it could not be told what is trained.
        why_not: Why none is made any more; "": they go on.
        latest: The last audit.
    """

    def __init__(self, subject: Subject, guard: Guard, budget: Budget, period: int | None) -> None:
        self.subject, self.period = subject, period
        self._guard, self._budget = guard, budget
        self.num_audits = self.num_undecided = 0
        self.why_not = self._why_not()
        self.latest: Audit | None = None
        self._auditor: Auditor | None = None
        self._due, self._last = 1, 0
        self._confirming = Confirming()
        self._num_again = 0
        self._under_way = UnderWay(subject)
        self._num_bare = 0
        self._rule = SeenRule(subject)
        self._foreign: dict[str, float] = {}

    @property
    def is_off(self) -> bool:
        """Return whether no update is audited any more."""
        return self.period is None or bool(self.why_not)

    def show(self, data: Any, read: Callable[[Any], Any] | None, update: int) -> None:
        """Take note of a training batch, and copy it where the coming update is to be audited.

        Args:
            data: The batch.
            read: Makes transitions of it.
            update: Optimiser updates made before.
        """
        now = self._under_way
        now.num_shown += 1
        due = update + 1 + now.is_ahead
        is_wanted = now.is_collecting or (now.num_shown == 1 and self._wants(due))
        if self.is_off or not is_wanted:
            return
        with self._guarded(update), self._budget.charge("audit batch"):
            now.keep(data if read is None else read(data))

    def next_look(self, update: int) -> float:
        """Return the update from which batches and steps are to be told again.

        A few before the next audit: how many batches an update has, and how many updates a batch,
        must have been seen by then. Where there is no time for one, that is asked again later.

        Args:
            update: Optimiser updates made.
        """
        if self.is_off:
            return math.inf
        if self._under_way.is_busy or self._is_open:
            return update + 1
        if update + LEAD >= self._due:
            is_free = self.num_audits < NUM_FIRST
            return update + 1 if is_free or self._budget.allows_audit() else math.inf
        return self._due - LEAD

    @property
    def is_awaited(self) -> bool:
        """Return whether the update under way is to be audited."""
        return self._under_way.is_kept

    def pass_over(self) -> None:
        """Take note of an update that is not audited."""
        self._under_way.pass_over()

    def before_step(self, update: int) -> list[Finding]:
        """Audit the update that is about to be made, whose batch was kept; return what is new.

        Args:
            update: Its number, from 1.
        """
        new: list[Finding] = []
        kept, instead = self._under_way.take()
        if kept is None or not self._has_gradient():
            return new
        with self._guarded(update):
            if self.subject.device.type == "cuda":  # what is still queued is the run's own time
                torch.cuda.synchronize(self.subject.device)
            with self._budget.charge("audit"):
                new = self._examine(kept, instead, update)
        return new

    def forget(self) -> None:
        """Let go of what belongs to an optimiser that trains no more."""
        self.close()
        self._auditor, self._due = None, self._last + 1
        self._confirming.forget()

    def close(self) -> None:
        """Let go of what is kept of an update under way."""
        self._under_way.close()

    def summary(self) -> dict[str, Any]:
        """Return how many updates were audited, and what they train, for ``run.json``."""
        return {
            "num_audits": self.num_audits,
            "num_undecided": self.num_undecided,
            "trains": in_words(self.subject.rule, self._rule.fitting),
            "why_not": self.why_not,
        }

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would."""
        names = ("num_audits", "num_undecided", "why_not", "_due", "_num_again")
        own = {name.lstrip("_"): getattr(self, name) for name in names}
        own |= {"confirming": self._confirming.state(), "is_ahead": self._under_way.is_ahead}
        return own | self._rule.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.num_audits, self.num_undecided = state["num_audits"], state["num_undecided"]
        self.why_not = state["why_not"]
        self._due, self._num_again = state["due"], state["num_again"]
        self._rule.restore(state)
        self._under_way.is_ahead = state.get("is_ahead", False)
        self._confirming.restore(state["confirming"])

    def _why_not(self) -> str:
        """Return why a run can have no audit, as far as it is known at its start."""
        options = self.subject.options
        if self.period is None:
            return "it was not asked for"
        if isinstance(options.loss, int | float):
            return "its loss is known by its step alone"
        return options.not_modelled or why_not_modelled(self.subject.networks)

    @contextmanager
    def _guarded(self, update: int) -> Iterator[None]:
        """Switch off at an error: by its name where it is one of ours, else with a warning."""
        with self._guard("auditing the loop", update, partial(self._switch_off, "it failed")):
            try:
                yield
            except CallError:
                raise
            except QDivergeError as error:
                self._switch_off(f"{error}")

    def _switch_off(self, reason: str) -> None:
        self.why_not = reason
        self.close()

    def _wants(self, update: int) -> bool:
        """Return whether to audit an update, by schedule and budget."""
        if self._is_open and self._is_near(update) and self._num_again < NUM_AGAIN:
            return True
        is_free = self.num_audits < NUM_FIRST
        return update >= self._due and (is_free or self._budget.allows_audit())

    @property
    def _is_open(self) -> bool:
        """Return whether a finding waits for another audit."""
        is_doubtful = self._auditor is not None and self._auditor.is_doubtful
        return is_doubtful or self._confirming.is_waiting

    def _is_near(self, update: int) -> bool:
        """Return whether an update is the next whose batch can be kept after an audit, or so.

        Of one shown ahead that is the one after the next; two in a row tell old gradients.
        """
        return update <= self._last + (3 if self._under_way.is_ahead else 1)

    def _has_gradient(self) -> bool:
        """Return whether there is a gradient to look at: finite, and not zero."""
        parameters = [p for network in self.subject.networks for p in network.parameters()]
        size = sum(float(p.grad.detach().abs().sum()) for p in parameters if p.grad is not None)
        self._num_bare = self._num_bare + 1 if size == 0 else 0
        if self._num_bare >= NUM_BARE:
            self.why_not = "there is no gradient in .grad when its steps begin"
        return math.isfinite(size) and size > 0

    def _make_auditor(self) -> Auditor:
        subject, options = self.subject, self.subject.options
        return Auditor(
            subject.networks,
            every=1,
            discount=options.discount,
            target=subject.targets or None,
            optimizer=subject.optimizer,
            policy=subject.policy,
            bootstrap=options.bootstrap,
            loss=options.loss,
        )

    def _examine(self, kept: AuditedBatch, instead: Shown | None, update: int) -> list[Finding]:
        if kept.is_critic and "next_actions" not in kept.shown and self.subject.policy is None:
            self.why_not = "of its critics the next action is not known: pass policy=…"
            return []
        self._auditor = self._auditor or self._make_auditor()
        auditor, is_again = self._auditor, update == self._last + 1
        if not is_again:
            auditor.forget()
        is_second = auditor.is_doubtful
        self._num_again += self._is_near(update) and (is_second or self._confirming.is_waiting)
        auditor.options["entropy_coefficient"] = kept.entropy_coefficient
        auditor.options["target"] = self.subject.targets or None
        previous = auditor.previous_gradient
        raised = auditor.examine(kept.shown)
        audit = self.latest = auditor.latest
        assert audit is not None
        self.num_audits, self._last = self.num_audits + 1, update
        self._due = next_audit(update, self.period or 1)
        is_known = audit.bootstrap != "unknown"
        if not is_known and instead is not None and is_of(instead, auditor, previous):
            self._turn_round()
            return []
        self.num_undecided += not is_known
        if not is_known and mixes(self.subject.networks) and self.num_audits >= NUM_TRIES:
            self.why_not = "BatchNorm or dropout make Q of a row depend on others, or on chance"
        raised = [f for f in raised if may_be_said(f, kept, is_fitted=is_known)]
        if self._are_trained_elsewhere():  # maybe after the loss: these are other weights then
            loose = set() if is_known else MISFITS | OF_SPANS
            raised = [f for f in raised if f.code not in {"parameters_without_gradient"} | loose]
        resolved = AMBIGUOUS if is_second else frozenset()
        new = self._confirming.take(raised, kept.shown, is_fitted=is_known, resolved=resolved)
        if {f.code for f in raised} <= self._confirming.said:
            self.subject.seen |= self._rule.take(audit, kept, self.num_audits)
        return new

    def _turn_round(self) -> None:
        """Take the batches to be shown ahead from now on, or no longer; forget what was found."""
        now = self._under_way
        now.close()
        now.is_ahead = not now.is_ahead
        self.num_undecided += 1
        self._confirming.forget()
        if self._auditor is not None:
            self._auditor.forget()
        self._due = self._last + 1

    def _are_trained_elsewhere(self) -> bool:
        """Return whether parameters that this optimiser does not hold move: by another one."""
        own = {id(p) for group in self.subject.optimizer.param_groups for p in group["params"]}
        now = {
            f"{place}.{name}": float(p.detach().double().sum())
            for place, network in enumerate(self.subject.networks)
            for name, p in network.named_parameters()
            if p.requires_grad and id(p) not in own
        }
        before, self._foreign = self._foreign, now
        return bool(now) and before != now
