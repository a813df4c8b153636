"""``qd.what_if``: the usual remedies, each rehearsed, and the mildest that holds."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.kernel.network import Networks
from qdiverge.rehearsal.changes import Change, changed, is_mild, usual_changes
from qdiverge.rehearsal.rehearse import rehearsals, rehearse
from qdiverge.rehearsal.result import Rehearsal
from qdiverge.rehearsal.stage import Stage, stage_of
from qdiverge.thing_checks import check_instance

AS_IT_IS = "as it is"
DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(rehearse).parameters.items()
    if parameter.default is not inspect.Parameter.empty
    and name in inspect.signature(stage_of).parameters
}


@dataclass(frozen=True, eq=False)
class Option:
    """One change, rehearsed.

    Attributes:
        change: What it is called.
        setting: Field of the rule → value.
        rehearsal: What its copies did.
    """

    change: str
    setting: Change
    rehearsal: Rehearsal

    @property
    def diverges(self) -> bool:
        """Return whether more than half of its orders diverge."""
        return self.rehearsal.diverges

    @property
    def update(self) -> int | None:
        """Return the update at which it does; None: it does not."""
        return self.rehearsal.update

    @property
    def td_error(self) -> float:
        """Return mean |δ| at its end; NaN where it diverges."""
        return self.rehearsal.td_error_after

    @property
    def cost(self) -> int:
        """Return how many updates of copies it took."""
        return int((self.rehearsal.q_abs_max == self.rehearsal.q_abs_max).sum())

    @property
    def holds(self) -> bool:
        """Return whether max|Q| of every order stayed below half of what can be earned."""
        return is_mild(self.rehearsal.q_abs_max, self.rehearsal.limit)


@dataclass(frozen=True, eq=False)
class Options:
    """The run as it is, and each change, the mildest first; ``print`` is a table."""

    rows: tuple[Option, ...]

    def __iter__(self) -> Iterator[Option]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def best(self) -> Option | None:
        """Return the mildest that holds: the run as it is, if that does; None where none does."""
        return next((row for row in self.rows if row.holds), None)

    @property
    def advice(self) -> str:
        """Return what to do, in a sentence."""
        best = self.best
        if best is None:
            return "None of these keeps the values below half of what can be earned."
        if best.change == AS_IT_IS:
            return "Nothing needs to change within these updates."
        setting = ", ".join(f"{name} = {value}" for name, value in _shown(best.setting))
        return f"The mildest change that holds: {best.change} ({setting})."

    def __str__(self) -> str:
        width = max(len(row.change) for row in self.rows)
        lines = [f"{'change':{width}}  {'outcome':26}  mean |δ|"]
        for row in self.rows:
            outcome = "stays" if row.holds else "stays, but large"
            if row.diverges:
                outcome = f"diverges at update {row.update}"
            elif row.rehearsal.share:
                outcome = f"diverges in {row.rehearsal.share:.0%} of orders"
            error = "–" if row.td_error != row.td_error else f"{row.td_error:.3g}"
            lines.append(f"{row.change:{width}}  {outcome:26}  {error}")
        return "\n".join([*lines, self.advice])


@torch.inference_mode(mode=False)
def what_if(
    q_net: Networks,
    data: Any,
    *,
    changes: Mapping[str, Change] | None = None,
    num_updates: int = 300,
    num_orders: int = 3,
    speed: float = 1.0,
    seed: int = 0,
    **options: Any,
) -> Options:
    """Rehearse the run as it is and under each change, from where it stands.

    Args:
        q_net: As in :func:`qdiverge.rehearse`, like ``data`` and what follows.
        data: The same.
        changes: Name → fields of the :class:`qdiverge.UpdateRule` with new values, such as
            ``{"half the step": {"learning_rate": 5e-5}, "slow": {"target_period": 500}}``, the
            mildest first; None: smaller steps, a clipped gradient, a slower target, double Q.
        num_updates: Of the run, to look ahead.
        num_orders: Copies of each.
        speed: Updates of the run in one of theirs.
        seed: Of the orders, the same for each change.
        options: Further ones of :func:`qdiverge.rehearse`: optimizer, target, discount and so on.

    Raises:
        InvalidValueError: as in :func:`qdiverge.rehearse`; or a change names an unknown field, or
            γ where the batches say it row by row.

    >>> import torch
    >>> from qdiverge.transitions import Transitions
    >>> q_net = torch.nn.Linear(1, 1, bias=False)  # w → 2w grows by 1 + α(2γ − 1)
    >>> with torch.no_grad(): _ = q_net.weight.fill_(1.0)
    >>> s, a = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    >>> data = Transitions(s, a, torch.zeros(1), 2 * s, torch.zeros(1))
    >>> sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    >>> tried = what_if(q_net, data, optimizer=sgd, discount=0.9, loss="half_squared",
    ...                 reward_bound=1.0, changes={"γ = .4": {"discount": 0.4}}, num_updates=60)
    >>> [(row.change, row.diverges) for row in tried]  # 2γ < 1
    [('as it is', True), ('γ = .4', False)]
    """
    stage = stage_by(q_net, data, options)
    return options_of(stage, changes, num_updates, num_orders, speed, seed)


def stage_by(q_net: Networks, data: Any, options: Mapping[str, Any]) -> Stage:
    """Set the stage by options of :func:`qdiverge.rehearse`; what is left out is as there.

    Raises:
        InvalidTypeError: one is not known, or the optimiser is missing.
    """
    known = {*DEFAULTS, "optimizer"}
    if unknown := sorted(set(options) - known):
        raise InvalidTypeError(
            f"further options must be qd.rehearse's: {', '.join(sorted(known))}",
            got=", ".join(unknown),
        )
    if "optimizer" not in options:
        raise InvalidTypeError("a rehearsal needs optimizer=…, what trains q_net", got="none")
    return stage_of(q_net, data, **{**DEFAULTS, **options})


def options_of(
    stage: Stage,
    changes: Mapping[str, Change] | None,
    num_updates: int,
    num_orders: int,
    speed: float = 1.0,
    seed: int | None = 0,
) -> Options:
    """Rehearse each change, from a stage that is set."""
    probe = stage.batches.probe()
    is_critic = probe.transitions.actions.is_floating_point()
    if changes is None:
        changes = usual_changes(
            stage.original.rule, is_critic=is_critic, is_known=stage.original.update is None
        )
    for name, change in check_instance("changes", changes, Mapping).items():
        check_instance(f"the change {name!r}", change, Mapping)
        if "discount" in change and probe.discounts is not None:
            raise InvalidValueError(
                "another discount needs batches that were made with it",
                got="batches that say γ^k row by row, their rewards summed by it",
                remedy="Rehearse on batches of another n-step replay, or of single steps.",
            )
    tried: dict[str, Change] = {AS_IT_IS: {}, **changes}
    stages = [replace(stage, original=changed(stage.original, change)) for change in tried.values()]
    results = rehearsals(
        stages, num_updates=num_updates, num_orders=num_orders, speed=speed, seed=seed
    )
    rows = (Option(name, tried[name], each) for name, each in zip(tried, results, strict=True))
    return Options(tuple(rows))


def _shown(setting: Change) -> list[tuple[str, str]]:
    return [(k, f"{v:.3g}" if isinstance(v, float) else str(v)) for k, v in setting.items()]
