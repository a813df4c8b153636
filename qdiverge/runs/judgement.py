"""The verdict on a run, made in one place and quoted wherever one is given.

    diverged   values passed the limit that counts as divergent, or were no finite numbers
    warned     a rule of divergence fired, and the values are within the limit
    loop       audits found that the loop does not do what it says
    unknown    there are no values, nothing to hold them against, or another function was measured
    healthy    none of these; notes on the network's condition may stand beside it

The first that is true counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from qdiverge.runs.alarm import Kind

Health = Literal["healthy", "loop", "warned", "diverged", "unknown"]
TOO_LATE = ("soft_divergence", "undiscounted_growth", "not_finite")  # they fire when values passed
WORDS: dict[Health, str] = {
    "diverged": "DIVERGED",
    "warned": "ALARM",
    "loop": "LOOP",
    "unknown": "no verdict",
    "healthy": "healthy",
}
HEADLINES: dict[Health, str] = {
    "diverged": "Diverged",
    "warned": "Warned, and within its bound",
    "loop": "Loop to be checked, and within its bound",
    "unknown": "No verdict",
    "healthy": "Healthy",
}


class Raised(Protocol):
    """An alarm, a finding or a note, as far as the verdict goes."""

    @property
    def step(self) -> int:
        """Return the run's step."""

    @property
    def rule(self) -> str:
        """Return the rule's name."""

    @property
    def kind(self) -> Kind:
        """Return divergence, loop or condition."""


@dataclass(frozen=True)
class Judgement:
    """What a run is called.

    Attributes:
        health: See above.
        alarm_step: The first alarm of divergence; None: there was none.
        passed_step: The first step at which the values had passed their limit, or were not finite;
            None: they had not, or it is not known.
    """

    health: Health
    alarm_step: int | None
    passed_step: int | None

    @property
    def lead(self) -> int | None:
        """Return the steps from the alarm to the passing; None where there were not both."""
        if self.alarm_step is None or self.passed_step is None:
            return None
        return self.passed_step - self.alarm_step

    @property
    def headline(self) -> str:
        """Return the verdict in a few words."""
        return HEADLINES[self.health] + (", after a warning" if (self.lead or 0) > 0 else "")


def judge(
    raised: Iterable[Raised],
    *,
    passed_steps: Iterable[int | None] = (),
    has_passed: bool = False,
    is_measured: bool = True,
    has_limit: bool = True,
    is_otherwise: bool = False,
) -> Judgement:
    """Judge a run by what was raised and seen.

    Args:
        raised: Alarms, findings and notes.
        passed_steps: Where values are known to have passed their limit, or to be not finite,
            beside what alarms say.
        has_passed: Whether values are known to have passed it, nobody knows when.
        is_measured: Whether there is any finite value.
        has_limit: Whether there is a limit to hold it against.
        is_otherwise: Whether another function learns than is measured.

    >>> judge([]).headline, judge([], has_limit=False).headline
    ('Healthy', 'No verdict')
    >>> judge([], passed_steps=[None, 40]).headline
    'Diverged'
    """
    raised = list(raised)
    alarms = [each for each in raised if each.kind == "divergence"]
    late = [each.step for each in alarms if each.rule in TOO_LATE]
    alarm_step = min((each.step for each in alarms), default=None)
    passed_step = min([*late, *(s for s in passed_steps if s is not None)], default=None)
    if has_passed or passed_step is not None:
        health: Health = "diverged"
    elif alarms:
        health = "warned"
    elif any(each.kind == "loop" for each in raised):
        health = "loop"
    elif is_measured and has_limit and not is_otherwise:
        health = "healthy"
    else:
        health = "unknown"
    return Judgement(health, alarm_step, passed_step)
