"""NNGeometry's GramMatrix: products of layer inputs and output gradients where layers are linear.

Its default DataLoader, one batch of all samples. Observations are made floating point first: the
library differentiates by them.
"""

import copy

import torch
from torch import Tensor, nn


def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return K [N, N], or [N, A, N, A] for all actions."""
    from nngeometry.gram import GramMatrix

    network = copy.deepcopy(network)
    picked = actions if isinstance(actions, Tensor) else torch.zeros(len(observations))

    def values(observations: Tensor, picked: Tensor) -> Tensor:
        out = network(observations)
        return out.gather(1, picked[:, None]) if isinstance(actions, Tensor) else out

    gram = GramMatrix(network, (observations.float(), picked), function=values).data
    gram = gram.permute(1, 0, 3, 2).detach()  # [A', N, A', N] → [N, A', N, A']
    return gram[:, 0, :, 0] if isinstance(actions, Tensor) else gram
