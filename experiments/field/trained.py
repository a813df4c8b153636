"""What a run leaves: its weights, for comparison, and the time that it took."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Trained:
    """A run at its end.

    Attributes:
        weights: SHA-256 of every parameter, to the bit.
        cpu_seconds: Processor time of the training, with whoever watched it.
    """

    weights: str
    cpu_seconds: float

    @classmethod
    def of(cls, module: nn.Module, cpu_seconds: float) -> Trained:
        """Return what is kept of a module.

        >>> Trained.of(nn.Identity(), 1.0).weights[:6]
        'e3b0c4'
        """
        digest = hashlib.sha256()
        for value in module.state_dict().values():
            digest.update(value.detach().contiguous().cpu().numpy().tobytes())
        return cls(digest.hexdigest(), round(cpu_seconds, 2))
