"""TorchJD's autogram engine: the Gramian accumulated layer by layer in one backward pass."""

import copy

from torch import Tensor, nn


def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return K [N, N], or [N, A, N, A] for all actions."""
    from torchjd.autogram import Engine

    network = copy.deepcopy(network)
    engine = Engine(network, batch_dim=0)
    values = network(observations)
    if isinstance(actions, Tensor):
        values = values.gather(1, actions[:, None])[:, 0]
    gram = engine.compute_gramian(values).detach()
    return gram.reshape(*values.shape, *values.shape)
