"""What running ahead of a watched run is told of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from typing_extensions import Self

from qdiverge.checks import check_integer
from qdiverge.errors import InvalidValueError, shown
from qdiverge.monitor.foresight.own_loop import Loop, LoopAhead
from qdiverge.monitor.foresight.whole_run import Live
from qdiverge.rehearsal.changes import CHANGEABLE, Change
from qdiverge.thing_checks import check_callable, check_list, shown_as_code

OF_COPIES = (
    "batch_size", "policy", "policy_optimizer", "policy_target",
    "policy_period", "update", "others", "generators", "scheduler",
)  # fmt: skip  # arguments of rehearse that attach does not have


@dataclass(frozen=True)
class ForesightOptions:
    """The argument ``foresight`` of :func:`qdiverge.attach`, read.

    Attributes:
        is_on: Whether copies run ahead at all.
        data: What they learn from: a function that returns a batch of the replay, or transitions
            that stay as they are; None: the last batches shown.
        num_updates: That the run makes in all; None: not known.
        fixed: Whether a function draws from data that stay as they are.
        num_rows: Returns how many transitions a function of ``data`` draws from now; None: nobody
            says, unless it is a method of what has a length.
        live: Returns what can be copied and goes on as the run will, from the update under way on:
            see :mod:`qdiverge.monitor.foresight.whole_run`; given a loop, see ``own_loop``, it is
            made of that. None: no copy of all of it can be made.
        of_copies: Further arguments of :func:`qdiverge.rehearse`.
        remedies: Fields of the rule that a remedy may change.
        apply: Changes the run as the mildest remedy that held says, field → value; it is then
            looked at further. None: a remedy is said, and not taken.
    """

    is_on: bool = True
    data: Any = None
    num_updates: int | None = None
    fixed: bool = False
    num_rows: Callable[[], int] | None = None
    live: Live | None = None
    of_copies: Mapping[str, Any] = field(default_factory=dict)
    remedies: tuple[str, ...] = CHANGEABLE
    apply: Callable[[Change], object] | None = None

    @classmethod
    def of(cls, foresight: bool | Mapping[str, Any]) -> Self:
        """Read True, False, or what is known besides.

        Raises:
            InvalidValueError: an entry is not known, or out of range.

        >>> ForesightOptions.of({"num_updates": 1_000, "policy_period": 2}).of_copies
        {'policy_period': 2}
        """
        if isinstance(foresight, bool):
            return cls(foresight)
        own = ("data", "num_updates", "fixed", "num_rows", "live", "remedies", "apply")
        names = (*own, *OF_COPIES)
        if isinstance(foresight, Mapping) and "make_env" in foresight:
            raise InvalidValueError(
                "copies with an environment of their own are no surer than those on the replay; a "
                "copy of the whole run is",
                got="make_env",
                remedy="Pass foresight={'live': loop}, an object with next_batch() and learn(batch)"
                " that holds networks, optimiser, environments and replay.",
            )
        if not isinstance(foresight, Mapping) or set(foresight) - set(names):
            unknown = set(foresight) - set(names) if isinstance(foresight, Mapping) else foresight
            raise InvalidValueError(
                f"foresight must be True, False, or a dict of {', '.join(names)}",
                got=", ".join(map(str, unknown))
                if isinstance(unknown, set)
                else shown_as_code(unknown),
            )
        if (length := foresight.get("num_updates")) is not None:
            length = check_integer("num_updates", length, 1)
        live = foresight.get("live")
        if isinstance(live, Loop):
            live = partial(LoopAhead, live)
        for name in ("num_rows", "live", "apply", "policy", "policy_target", "update"):
            if (given := live if name == "live" else foresight.get(name)) is not None:
                check_callable(name, given, "a function")
        remedies = tuple(check_list("remedies", foresight.get("remedies", CHANGEABLE)))
        if unknown := set(map(shown, remedies)) - set(CHANGEABLE):
            raise InvalidValueError(
                f"remedies must be fields of the rule: {', '.join(CHANGEABLE)}",
                got=", ".join(sorted(unknown)),
            )
        for_copies = {name: value for name, value in foresight.items() if name in OF_COPIES}
        return cls(
            True, foresight.get("data"), length, bool(foresight.get("fixed")),
            foresight.get("num_rows"), live, for_copies, remedies,
            foresight.get("apply"),
        )  # fmt: skip

    @property
    def is_fixed(self) -> bool:
        """Return whether the data stay as they are."""
        return self.data is not None and (self.fixed or not callable(self.data))
