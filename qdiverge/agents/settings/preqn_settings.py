"""The settings of PreQN (Achiam et al. 2019), of every agent that can learn by it."""

from dataclasses import dataclass
from typing import Literal

from qdiverge.agents.settings.ranges import Positive, Share
from qdiverge.agents.settings.rules import UnreadRule

AlignWith = Literal["td_errors", "reachable"]


@dataclass(frozen=True)
class PreQNSettings:
    """How Q moves: by a gradient, or by the inverse kernel."""

    update: Literal["gradient", "preqn"] = "gradient"  # preqn: Achiam et al. (2019)
    preqn_learning_rate: Positive = (
        0.1  # of preqn: its largest α; 1 goes all the way to the targets
    )
    preqn_alignment: Share = 0.97  # the least cosine between ΔQ and the TD errors
    preqn_align_with: AlignWith = "reachable"  # what the damped solve asks for; or td_errors
    preqn_damping: Share = 0.003  # added to K's eigenvalues, a share of the largest; 0: none

    @property
    def is_preqn(self) -> bool:
        """Return whether PreQN moves the Q-network, in place of an optimiser."""
        return self.update == "preqn"


OF_PREQN = UnreadRule(
    ("preqn_learning_rate", "preqn_alignment", "preqn_align_with", "preqn_damping"),
    "only PreQN has it",
    "Take the update preqn",
    lambda c: not c.is_preqn,
)
