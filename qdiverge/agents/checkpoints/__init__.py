"""Write a run down as it stands, such that it can be gone on with or looked at."""

from qdiverge.agents.checkpoints.saving import Checkpoints

__all__ = ["Checkpoints"]
