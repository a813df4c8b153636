"""Does a return's distribution press against the ends of its support?

Q = Σ_j z_j p_j of a categorical network (C51, Bellemare et al. 2017, arXiv:1707.06887) lies within
[z_1, z_M] whatever happens: it cannot blow up, and no linear verdict on Q applies. What would have
diverged piles up at an end atom.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet


def end_atom_mass(network: nn.Module, observations: Tensor, actions: Tensor) -> tuple[float, float]:
    """Return the mean probability of the least and of the largest return, at (s_i, a_i).

    Args:
        network: Has ``logits(observations)``, [N, A, M].
        observations: [N, ...].
        actions: [N], integers.

    >>> class Even(nn.Module):
    ...     def logits(self, observations): return torch.zeros(len(observations), 2, 4)
    >>> end_atom_mass(Even(), torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64))
    (0.25, 0.25)
    """
    logits: Any = network.logits
    with torch.no_grad(), quiet(network):
        p = logits(observations).softmax(dim=2)
    p = p[torch.arange(len(actions), device=p.device), actions.long()].double().mean(0)
    return float(p[0]), float(p[-1])


class EndAtoms(Diagnostic):
    """Of a network with ``support`` [M] and ``logits(s)`` [N, A, M]; of others nothing is said."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/low_atom_mass",
            "mean of p_1(s, a), the probability of the least return z_1",
            "share",
            "near 0: the support reaches low enough",
        ),
        Metric(
            "diverge/high_atom_mass",
            "mean of p_M(s, a), the probability of the largest return z_M",
            "share",
            "near 0: the support reaches high enough",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[Cost] = "light"
    of_networks_with: ClassVar[tuple[str, ...]] = ("support", "logits")
    not_for_critics: ClassVar[str] = "critics have no categorical head here"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/low_atom_mass`` and ``diverge/high_atom_mass``, or nothing."""
        network = moment.q_network
        if not all(hasattr(network, name) for name in self.of_networks_with):
            return {}
        low, high = end_atom_mass(network, *moment.pairs)
        return {"diverge/low_atom_mass": low, "diverge/high_atom_mass": high}
