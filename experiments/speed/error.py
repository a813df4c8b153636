"""How far a kernel is from the float64 one, on rows spread over it."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.speed.peers.torch_func_flat import jacobian

NUM_OUTPUTS = 24  # rows of the reference; each is a whole row of K
CHUNK = 16  # samples whose float64 gradients are held at a time


@dataclass(frozen=True)
class Reference:
    """Some rows of K in float64, by torch.func and nothing of qdiverge.

    Attributes:
        samples: Their samples.
        rows: [n, N], or [n, A, N, A] for all actions.
    """

    samples: Tensor
    rows: Tensor

    @staticmethod
    def of(network: nn.Module, observations: Tensor, actions: Tensor | str) -> "Reference":
        """Return the reference for rows spread evenly, the first and the last among them."""
        network = copy.deepcopy(network).double()
        if observations.is_floating_point():
            observations = observations.double()
        num = len(observations)
        width = 1 if isinstance(actions, Tensor) else network(observations[:1]).shape[1]
        count = min(num, max(2, NUM_OUTPUTS // width))
        samples = torch.linspace(0, num - 1, count, device=observations.device).round().long()

        def gradients(index: Tensor) -> Tensor:
            picked = actions[index] if isinstance(actions, Tensor) else actions
            return jacobian(network, observations[index], picked).flatten(0, 1)

        left = gradients(samples)
        columns = torch.arange(num, device=observations.device).split(CHUNK)
        rows = torch.cat([left @ gradients(index).T for index in columns], 1)
        chosen = isinstance(actions, Tensor)
        return Reference(samples, rows if chosen else rows.reshape(len(samples), width, num, width))

    def relative_error(self, kernel: Tensor) -> float:
        """Return max |K − K₆₄| / max |K₆₄| over the rows."""
        sampled = kernel.detach().to(self.rows.device)[self.samples]
        if sampled.shape != self.rows.shape:
            return float("inf")
        return float((sampled.double() - self.rows).abs().max() / self.rows.abs().max())
