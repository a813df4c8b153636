"""``qd.preflight``: before hours are spent, what theory and rehearsal say of the first updates."""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from qdiverge.diagnostics import Diagnosis, diagnose
from qdiverge.errors import QDivergeError
from qdiverge.kernel.network import Networks
from qdiverge.rehearsal.learner import Learner
from qdiverge.rehearsal.rehearse import rehearsed
from qdiverge.rehearsal.result import Rehearsal
from qdiverge.rehearsal.what_if import Options, options_of, stage_by

MOST_ROWS = 128  # that the diagnosis looks at


@dataclass(frozen=True, eq=False)
class Preflight:
    """What is to be expected of a run that has not begun; ``print`` reads well.

    Attributes:
        rehearsal: Copies that made the first updates.
        diagnosis: Of the first batch; None where theory has nothing to say of it.
        options: Where the rehearsal diverges, what each remedy does; None: it does not.
        why_no_diagnosis: In a sentence; "" where there is one.
    """

    rehearsal: Rehearsal
    diagnosis: Diagnosis | None
    options: Options | None
    why_no_diagnosis: str = ""

    @property
    def verdict(self) -> Literal["diverges", "sound", "undecided"]:
        """Return what the copies did, all of them; "undecided" where they disagree.

        "sound" is about the updates that were rehearsed, and the data at hand, alone.
        """
        if self.rehearsal.diverges:
            return "diverges"
        return "undecided" if self.rehearsal.share else "sound"

    def __str__(self) -> str:
        head = {
            "diverges": "This run is about to diverge.",
            "sound": f"Sound for {self.rehearsal.num_updates} updates on the data at hand.",
            "undecided": "Undecided: the orders of the batches disagree.",
        }[self.verdict]
        theory = f"No diagnosis: {self.why_no_diagnosis}"
        if self.diagnosis is not None:
            stability = self.diagnosis.stability
            theory = f"Theory, of the first batch: {stability.verdict}, {stability.reason}."
        parts = [head, str(self.rehearsal), theory]
        return "\n".join(parts if self.options is None else [*parts, str(self.options)])


@torch.inference_mode(mode=False)
def preflight(
    q_net: Networks,
    data: Any,
    *,
    num_updates: int = 300,
    num_orders: int = 3,
    speed: float = 1.0,
    seed: int = 0,
    **options: Any,
) -> Preflight:
    """Diagnose and rehearse a run before it begins.

    How often it is right is measured by ``python -m experiments foresight``.

    Args:
        q_net: As in :func:`qdiverge.rehearse`, like ``data`` and what follows.
        data: The same: a replay as it is when learning starts.
        num_updates: To look ahead.
        num_orders: Copies, each with another order of batches.
        speed: Updates of the run in one of theirs.
        seed: Of the orders.
        options: Further ones of :func:`qdiverge.rehearse`: optimizer, target, discount and so on.

    Raises:
        InvalidValueError: as in :func:`qdiverge.rehearse`.

    >>> import torch
    >>> from qdiverge.transitions import Transitions
    >>> q_net = torch.nn.Linear(1, 1, bias=False)
    >>> s, a = torch.ones(4, 1), torch.zeros(4, dtype=torch.int64)
    >>> ends = Transitions(s, a, torch.ones(4), s, torch.ones(4))  # regression on 1
    >>> sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    >>> preflight(q_net, ends, optimizer=sgd, loss="half_squared").verdict
    'sound'
    """
    stage = stage_by(q_net, data, options)
    ahead = rehearsed(stage, num_updates=num_updates, num_orders=num_orders, speed=speed, seed=seed)
    tried = None
    if ahead.diverges:
        tried = options_of(stage, None, num_updates, num_orders, speed, seed)
    learner, rule = Learner(stage.original), stage.original.rule  # hooks are not to hear of it
    nets, slow = learner.copies.networks, learner.copies.targets
    try:
        diagnosis: Diagnosis | None = diagnose(
            nets[0] if len(nets) == 1 else nets,
            stage.batches.probe().transitions.select(slice(0, MOST_ROWS)),
            target=(slow[0] if len(slow) == 1 else slow) if slow else None,
            optimizer=learner.copies.optimizers[0],
            policy=None if learner.actor is None else learner.actor.policy,
            rule=rule,
        )
    except QDivergeError as error:
        return Preflight(ahead, None, tried, str(error))
    return Preflight(ahead, diagnosis, tried)
