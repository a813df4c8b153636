"""The hooks on the optimiser: before a step and after it, also of one that takes its place."""

from typing import Any

import torch

from qdiverge.monitor.audit_notes import StepArguments, after_closure
from qdiverge.monitor.calm import Calm
from qdiverge.monitor.looking import Looking
from qdiverge.monitor.other_optimizer import OtherOptimizer, held_by
from qdiverge.monitor.parts import Parts
from qdiverge.monitor.untraced import untraced


class StepHooks:
    """Hears ``optimizer.step``: the gradient, the update and the random states stay as they are.

    Where nothing is due a step costs a count and a comparison, written out in the hooks themselves.

    Args:
        parts: What audits, and is told where another optimiser trains.
        calm: Knows up to when nothing is due.
        looking: Looks at an update that was made.

    Attributes:
        hook: On the optimiser; it calls ``after_step``.
    """

    def __init__(self, parts: Parts, calm: Calm, looking: Looking) -> None:
        self._parts, self._progress = parts, parts.progress
        self._calm, self._looking = calm, looking
        self._listen()
        subject = parts.subject
        held = held_by(subject.optimizer, subject.networks)
        self._other = OtherOptimizer(subject.optimizer, held, self._follow)

    @untraced
    def before_step(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> StepArguments | None:
        """Audit the update that is about to be made, where it is due; the hook's call.

        It returns the step's arguments where its closure is to look in between.
        """
        now, parts = self._progress, self._parts
        if now.num_shown == 1 and now.num_updates < self._calm.until:
            return None
        if parts.loop_audit.is_off:
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):  # none, or what another optimiser takes
            parts.audit_notes.look(now.num_updates + 1)
            return None
        look = parts.audit_notes.look
        return after_closure(closure, lambda: look(now.num_updates + 1), args, kwargs)

    @untraced
    def after_step(self, *_: Any) -> None:
        """Look at the update that was just made, and measure where it is due; the hook's call."""
        now = self._progress
        now.num_updates += 1
        is_calm = now.num_shown == 1 and now.num_updates <= self._calm.until
        now.num_shown = 0
        if is_calm:
            self._looking.glance()
            return
        self._looking.look()
        self._calm.begin()

    def close(self) -> None:
        """Leave the optimiser."""
        self._unhook()
        self._other.close()

    def _listen(self) -> None:
        optimizer = self._parts.subject.optimizer
        self.hook = optimizer.register_step_post_hook(self.after_step)
        self._pre_hook = optimizer.register_step_pre_hook(self.before_step)

    def _unhook(self) -> None:
        self.hook.remove()
        self._pre_hook.remove()

    @untraced
    def _follow(self, optimizer: torch.optim.Optimizer, num_missed: int) -> None:
        """Watch the optimiser that trains the network now in the place of the one before."""
        parts, update = self._parts, self._progress.num_updates
        if self._progress.is_closed:
            return
        self._unhook()
        parts.subject.optimizer = optimizer
        self._calm.end()
        parts.loop_audit.forget()
        self._listen()
        name = type(optimizer).__name__
        evidence = {"optimizer": name, "update": update, "num_missed": num_missed}
        parts.telling.tell_once("optimizer_replaced", **evidence)
