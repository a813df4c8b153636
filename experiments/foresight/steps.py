"""The learning rate of a cell: a relative step, in units of the network at its start.

    sgd             α = κ · 2/λ_max(KD), the largest stable step of regression on the first batch
    rmsprop, adam   α = κ / √P, with P parameters: an update moves Q by about κ · rms ∂Q/∂θ · √P

so that the same κ means much the same speed on every network, and a range of it is neither all dull
nor all blown up at once.
"""

from __future__ import annotations

import torch
from torch import nn

from experiments.foresight.cell import Cell
from qdiverge.diagnostics import Transitions
from qdiverge.kernel import NTK


def set_step(
    cell: Cell, network: nn.Module, optimizer: torch.optim.Optimizer, batch: Transitions
) -> None:
    """Give the optimiser the learning rate of a cell, before its first update."""
    if cell.update == "preqn":
        return
    α = learning_rate(cell, network, batch)
    for group in optimizer.param_groups:
        group["lr"] = α


def learning_rate(cell: Cell, network: nn.Module, batch: Transitions) -> float:
    """Return α of a cell on a network at its start.

    Args:
        cell: Its optimiser and κ.
        network: As it starts; a critic where actions are floating-point.
        batch: The first one.
    """
    if cell.optimizer != "sgd":
        return float(cell.relative_step / sum(p.numel() for p in network.parameters()) ** 0.5)
    K = NTK(network).kernel(batch.observations, batch.actions).double()
    return float(cell.relative_step * 2 * len(K) / torch.linalg.eigvalsh(K)[-1])
