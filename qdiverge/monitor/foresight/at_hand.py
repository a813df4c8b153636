"""Which copies of a run can be made now: of all of it, in its own order, or on the data at hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from qdiverge.diagnostics.noisy_weights import noisy_layers
from qdiverge.diagnostics.quiet import needs_quiet
from qdiverge.errors import QDivergeError
from qdiverge.monitor.foresight.dates import PATIENCE
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.foresight.own_order import OwnOrder
from qdiverge.monitor.foresight.recent_batches import RecentBatches
from qdiverge.monitor.foresight.staging import (
    in_own_order,
    is_known,
    rule_of_copies,
    stages,
    why_never,
)
from qdiverge.monitor.foresight.timetable import Source, next_due
from qdiverge.monitor.foresight.whole_run import GoingOn, live_stage
from qdiverge.monitor.shown_batch import Shown
from qdiverge.monitor.subject import Subject
from qdiverge.rehearsal.learner import Learner
from qdiverge.rehearsal.stage import Stage


@dataclass(frozen=True, eq=False)
class Situation:
    """What a run is shown at one update.

    Attributes:
        update: Optimiser updates made before.
        data: The batch, as it came.
        shown: Its transitions, copied.
        last_move: The update before which the target was last seen to have moved; 0: not yet.
        limit: The size from which the values count as divergent.
    """

    update: int
    data: Any
    shown: Shown
    last_move: int
    limit: float


@dataclass(frozen=True, eq=False)
class Cast:
    """Copies that can run ahead now.

    Attributes:
        source: What they learn from.
        frozen: Of the run on the data at hand; two where it is not known by which loss it learns.
        exact: Of the run itself, which is right as far as it goes; None: there is none.
        is_faithful: Whether ``frozen`` make the run's own update.
    """

    source: Source
    frozen: Sequence[Stage]
    exact: Stage | None
    is_faithful: bool = True


class CopiesAtHand:
    """Sets the stage for the copies of one run.

    Args:
        subject: The run.
        options: What is said of it.

    Attributes:
        why_not: Why no copy can be made at all; "": one can, as far as it is known.
        why_not_live: Why none of all of the run is made, environment and all; "": one is.
        order: Sees whether the run's own order of batches is known; None: it cannot be.
        batch_size: Of the last batch.
    """

    def __init__(self, subject: Subject, options: ForesightOptions) -> None:
        self._subject, self._options = subject, options
        self.why_not_live = "" if options.live is not None else "no copy of all of it can be made"
        self.order: OwnOrder | None = None
        is_noisy = any(map(noisy_layers, subject.networks))  # which the run draws when it likes
        if options.fixed and callable(options.data) and not is_noisy:
            generators = options.of_copies.get("generators", ())
            self.order = OwnOrder(options.data, generators, subject.device)
        self._recent, self._is_checked, self._why_not_frozen = RecentBatches(), False, ""
        self.batch_size = 1

    @property
    def why_not(self) -> str:
        """Return why no copy can be made; "": one can."""
        return self._why_not_frozen if self.why_not_live else ""

    def num_collected(self, wanted: int) -> int:
        """Return how many batches are to be shown before copies can run ahead."""
        if self._options.data is None and self.why_not_live:
            return wanted
        return int(self.order is not None)

    @property
    def source(self) -> Source:
        """Return what copies learn from where they are not of all of the run."""
        if self._options.data is None:
            return "batches"
        return "fixed data" if self._options.is_fixed else "replay"

    def follow(self, shown: Shown, update: int, *, is_to_compare: bool) -> None:
        """Take note of a batch; of the first, see whether copies can be faithful at all.

        Args:
            shown: Its transitions.
            update: Optimiser updates made before.
            is_to_compare: Whether copies may run ahead now: the batch is held to what was told of
                it at the one before. Else the next is told.
        """
        self.batch_size = len(shown["rewards"])
        if not self._is_checked:
            is_critic = shown["actions"].is_floating_point() and "next_actions" not in shown
            self._is_checked = True
            self._why_not_frozen = why_never(self._subject, self._options, is_critic=is_critic)
        if self._options.data is None:
            self._recent.keep(shown)
        if self.order is not None and is_to_compare:
            self.order.compare(shown, update)
        elif self.order is not None:
            self.order.foretell(update, partial(self._train_copy, shown))

    def cast(self, now: Situation) -> Cast | int:
        """Set the stage.

        Returns:
            The copies; else the update after which to ask again: too little is known yet, a copy of
            all of the run can be made only later, or its values have left the limit already.

        Raises:
            QDivergeError: no copy can be faithful.
        """
        rule = rule_of_copies(self._subject, self._options)
        is_faithful = not self._why_not_frozen and is_known(rule, self._subject, self._options)
        run: GoingOn | None = None
        if not self.why_not_live and self._options.live is not None:
            try:
                run = self._options.live(now.data)
            except Exception as error:  # whatever somebody's environment may raise
                later = self.do_without_live(error, now, is_faithful=is_faithful)
                if later is not None:
                    return later
            else:
                if run is None:  # asked before anything is copied: often many updates in a row
                    return now.update + 1
        elif not is_faithful:
            return max(PATIENCE, 2 * now.update)
        return self._set(now, run, is_faithful=is_faithful)

    def of_data(self, frozen: Sequence[Stage], now: Situation) -> Cast:
        """Return copies on the data at hand; one in the run's own order where that is known."""
        is_ordered = self.order is not None and self.order.is_seen and len(frozen) == 1
        return Cast(self.source, frozen, in_own_order(frozen[0], now.shown) if is_ordered else None)

    def do_without_live(self, error: Exception, now: Situation, *, is_faithful: bool) -> int | None:
        """Ask for no copy of all of the run any more.

        Returns:
            None where others can be made now; else when to ask again.
        """
        cause = error.__cause__ or error
        self.why_not_live = (
            f"the run cannot be copied as it stands ({type(cause).__name__}: {cause}); copies "
            "learn from the data at hand instead"
        )
        can_go_on = self._options.data is not None and is_faithful
        return None if can_go_on else next_due(now.update)

    def forget(self) -> None:
        """Let go of the batches."""
        self._recent.clear()

    def _set(self, now: Situation, run: GoingOn | None, *, is_faithful: bool) -> Cast | int:
        period = rule_of_copies(self._subject, self._options).target_period or 1
        given = self._options.data
        data = given if given is not None else list(self._recent.batches)
        set_stages: Callable[..., Sequence[Stage]] = partial(
            stages, self._subject, self._options, data,
            since_copy=(now.update - max(0, now.last_move - 1)) % period, limit=now.limit,
        )  # fmt: skip
        try:
            frozen = set_stages()
        except QDivergeError as error:
            if run is None:
                raise
            self._why_not_frozen, is_faithful = f"{error}", False
            frozen = set_stages(is_learnt=False)
        if frozen[0].is_beyond:  # nothing left to foresee
            return next_due(now.update)
        if run is not None:
            try:
                return Cast("live", frozen, live_stage(frozen[0], run), is_faithful)
            except Exception as error:
                later = self.do_without_live(error, now, is_faithful=is_faithful)
                if later is not None:
                    return later
        return self.of_data(frozen, now)

    def _train_copy(self, shown: Shown) -> None:
        """Let a copy learn from a batch, where that draws as the run's own update does."""
        if self.why_not or not any(map(needs_quiet, self._subject.networks)):
            return
        (stage, *_) = stages(self._subject, self._options, [shown], since_copy=0, limit=0.0)
        learner = Learner(stage.original)
        with torch.enable_grad():
            learner.learn(stage.batches.given[0])
