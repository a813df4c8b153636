"""The learning rate of a cell: a relative step, in units of the network at its start.

    sgd             α = κ · 2/λ_max(KD), the largest stable step of regression on the first batch
    rmsprop, adam   α = κ / √P, with P parameters: an update moves Q by about κ · rms ∂Q/∂θ · √P

so that the same κ means much the same speed on every network, and a range of it is neither all dull
nor all blown up at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from experiments.foresight.cell import Cell
from qdiverge.kernel import NTK
from qdiverge.transitions import Transitions


def learning_rate(cell: Cell, networks: Sequence[nn.Module], batch: Transitions) -> float:
    """Return α of a cell at its start.

    Args:
        cell: Its optimiser and κ.
        networks: As they start; critics where actions are floating-point.
        batch: The first one.
    """
    if cell.optimizer != "sgd":
        return float(cell.relative_step / sum(p.numel() for p in networks[0].parameters()) ** 0.5)
    K = NTK(networks[0]).kernel(batch.observations, batch.actions).double()
    return float(cell.relative_step * 2 * len(K) / torch.linalg.eigvalsh(K)[-1])
