"""Copies of a run, taken ahead from where it stands; what they do, as numbers.

    x1, x4, x16, x64   copies that make 1, 4, 16, 64 updates in one, on the data at hand
    own                one copy that learns from fixed data in the run's own order, drawn beforehand
                       by a copy of its sampler
    live4, live1       copies, environment and all: 4 environment steps to each update, which makes
                       4 in one; or 1
    live own           one copy of all of it, generators included, that goes on as the run will

The verdicts are left to ``rules``, which can so be set afterwards.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from experiments.foresight.live import LiveRun
from experiments.foresight.observe import rounded
from qdiverge.cli.ahead import as_it_is, to_change
from qdiverge.diagnostics.value_bound import EXCUSED
from qdiverge.rehearsal.rehearse import rehearsals
from qdiverge.rehearsal.result import Rehearsal
from qdiverge.rehearsal.stage import Stage, stage_of
from qdiverge.rehearsal.what_if import DEFAULTS
from qdiverge.update.copies import Copies
from qdiverge.update.td_update import LOSSES, Rows, TdUpdate, rows_of

SOON = 60  # updates: the question of the AUROC
SCREEN = 0.2  # of B: frozen copies below do not ask for a live one
LIMIT = 1 + EXCUSED  # of B: values beyond it the monitor counts as divergent
LATER = 1.5  # times when a faster look diverged: until then it is confirmed


@dataclass(frozen=True)
class Look:
    """A way of running ahead: s updates in one, at most ``horizon`` updates of the run."""

    speed: int
    horizon: int
    orders: int = 3
    is_live: bool = False
    is_own: bool = False
    confirms: str = ""  # a faster look before it: made where that one diverges, until then

    @property
    def name(self) -> str:
        """Return what it is called in the table."""
        if self.is_own:
            return "live own" if self.is_live else "own"
        return f"{'live' if self.is_live else 'x'}{self.speed}"


WHOLE = 10**9  # all updates that are left
FIRST: tuple[Look, ...] = (Look(1, 300), Look(1, 300, orders=1, is_own=True))
NEAR: tuple[Look, ...] = (Look(1, 100, orders=2),)
FAST = (Look(16, WHOLE), Look(4, WHOLE, confirms="x16"), Look(64, WHOLE))
LIVE = Look(4, 2_000, orders=2, is_live=True)
GOING = (
    Look(1, WHOLE, orders=2, is_live=True),
    Look(1, WHOLE, orders=1, is_live=True, is_own=True),
)
LIVELY = (LIVE, *(replace(look, confirms=LIVE.name) for look in GOING))
FROZEN = (Look(16, WHOLE), Look(4, 500, orders=2), Look(1, 500, orders=2))
LOOKS: dict[str, dict[int, tuple[Look, ...]]] = {  # stratum → update → looks
    "short": {0: FIRST} | dict.fromkeys((8, 32, 128), NEAR),
    "critic": {0: FIRST, 32: NEAR},
    "long": dict.fromkeys((0, 512, 2_048), FAST),
    "online": {0: (*FROZEN, LIVE, *GOING)} | dict.fromkeys((128, 512), (*FROZEN, *LIVELY)),
    "image": {0: (Look(1, 150), Look(1, 150, orders=1, is_own=True))},
    "replay": dict.fromkeys((0, 128, 512), (Look(1, 500),)),
}
LOOKS["default"] = LOOKS["short"]
GROWN, LARGE = 2.0, 0.1  # max|Q| over that at the last such look, and over B: look again


def halfway(update: int, when: int) -> int:
    """Return when copies are asked again that leave LIMIT B after ``when`` more updates.

    >>> halfway(128, 41)
    149
    """
    return update + -(-when // 2)


def moment(run: LiveRun, looks: tuple[Look, ...]) -> dict[str, Any]:
    """Run ahead in each of the ways; a live copy where one before it peaks above SCREEN."""
    says: dict[str, Any] = {"exponent": None}
    for look in looks:
        if look.is_live and max(says["x16"]["peaks"]) < SCREEN:
            continue
        if look.confirms and passing(says.get(look.confirms)) is None:
            continue
        began = time.process_time()
        made = rehearse(run, look, says)
        says[look.name] = as_numbers(made, run.bound)
        says[look.name]["seconds"] = round(time.process_time() - began, 2)
        if run.number == 0 and says["exponent"] is None and not run.cell.is_critic:
            says["exponent"] = rounded(made.exponent.exponent)
    return says


def rehearse(run: LiveRun, look: Look, says: dict[str, Any]) -> Rehearsal:
    """Run ahead in one of the ways; what is to be confirmed until half as long again as it took."""
    horizon = min(run.cell.num_updates - run.number, look.horizon)
    if look.confirms:
        when = passing(says[look.confirms])
        assert when is not None
        horizon = min(horizon, math.ceil(LATER * when))
    (made,) = rehearsals(
        [stage_for(run, look, horizon)], num_updates=horizon, num_orders=look.orders,
        speed=look.speed, seed=None if look.is_own else run.number,
    )  # fmt: skip
    return made


def stage_for(run: LiveRun, look: Look, num_updates: int) -> Stage:
    """Return the stage of a look."""
    if look.is_live:
        return going_stage(run) if look.is_own else live_stage(run, look.speed)
    return own_stage(run, num_updates) if look.is_own else frozen_stage(run)


def passing(said: dict[str, Any] | None, what: str = "passed") -> int | None:
    """Return when most copies of a look passed B, their median; None: few or none did.

    >>> passing({"passed": [None, 40, 60]}), passing({"passed": [None, None, 60]})
    (60, None)
    """
    if said is None:
        return None
    middle = statistics.median_high([math.inf if u is None else u for u in said[what]])
    return None if middle == math.inf else int(middle)


def as_numbers(made: Rehearsal, bound: float) -> dict[str, Any]:
    """Return peaks of max|Q|/B, within SOON updates and in all; when it passed 1, and LIMIT.

    Copies are followed until they pass the latter, in the committed rows of other strata than
    "replay" until they pass B.
    """
    sizes = np.where(np.isnan(made.q_abs_max), 0.0, made.q_abs_max) / bound
    times = [min(made.num_updates, round(made.speed * (k + 1))) for k in range(sizes.shape[1])]
    passed = [times[int((row > 1).argmax())] if (row > 1).any() else left
              for row, left in zip(sizes, made.passed, strict=True)]  # fmt: skip
    soon = sizes[:, : max(1, round(SOON / made.speed))]
    return {
        "horizon": made.num_updates,
        "peaks": [rounded(float(x)) for x in sizes.max(1)],
        "soon": [rounded(float(x)) for x in soon.max(1)],
        "passed": passed,
        "left": list(made.passed),
        "copied": int(np.isfinite(made.q_abs_max).sum()),
    }


def frozen_stage(run: LiveRun, *, is_to_change: bool = False) -> Stage:
    """Return a stage that learns from the data at hand.

    Args:
        run: Left as it is.
        is_to_change: By the rule, of which remedies can change fields, of critics, too.
    """
    known = to_change if is_to_change or not run.cell.is_critic else as_it_is
    return _stage(run, known(run.agent, run.config), _data(run))


def own_stage(run: LiveRun, num_updates: int) -> Stage:
    """Return a stage that learns from the very batches that the run will."""
    known = as_it_is if run.cell.is_critic else to_change
    return _stage(run, known(run.agent, run.config), run.coming(num_updates))


def going_stage(run: LiveRun) -> Stage:
    """Return a stage whose copy is the run itself: agent, replay, environment and generators."""
    about = as_it_is(run.agent, run.config) | {"target_period": None, "polyak": None}
    about |= {"update": lambda copies, _: copies.others[0].update(), "others": (run,)}
    return _stage(run, about, run.look())


def live_stage(run: LiveRun, steps: int) -> Stage:
    """Return a stage whose copies act so often for an update, and store what happens."""
    about = to_change(run.agent, run.config)
    update = Living(about["discount"], about["loss"], about["bootstrap"], steps)
    return _stage(run, about | {"update": update, "others": (run,)}, run.look())


class Living:
    """The update of a copy that lives on: environment steps, then a TD step on a batch drawn."""

    def __init__(self, discount: float, loss: str, bootstrap: Any, steps: int) -> None:
        self.steps = steps
        self.td = TdUpdate(discount, LOSSES[loss], bootstrap)
        self._begun: set[int] = set()

    def __call__(self, copies: Copies, rows: Rows) -> None:
        """Act, store, draw, and learn; the target follows by the rehearsal's rule."""
        run: LiveRun = copies.others[0]
        if id(run) not in self._begun:  # each order draws otherwise
            self._begun.add(id(run))
            for _ in range(int(torch.randint(1, 100, ()))):
                run.batch()
        for _ in range(self.steps):
            run.act()
        self.td(copies, rows_of(run.batch()))


def _data(run: LiveRun) -> Any:
    """Return the fixed data; or what draws from a replay as it is now."""
    if run.data is not None:
        return run.data
    sampler, step = copy.deepcopy(run.trainer.sampler), run.trainer.agent_step
    return lambda: sampler.sample(step)


def _stage(run: LiveRun, about: dict[str, Any], data: Any) -> Stage:
    γ, n = run.cell.discount, run.cell.n_step
    period = run.cell.target_period
    return stage_of(
        data=data,
        **DEFAULTS
        | about
        | {
            "batch_size": run.cell.batch_size,
            "probe": run.probe,
            "reward_bound": run.reward_bound * (1 - γ**n) / (1 - γ),
            "since_copy": run.number % period if period else 0,
        },
    )
