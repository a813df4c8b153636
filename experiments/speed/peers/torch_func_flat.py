"""torch.func, the short way: the whole Jacobian by vmap(grad), then J Jᵀ."""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap


def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return K [N, N], or [N, A, N, A] for all actions."""
    rows = jacobian(network, observations, actions)
    gram = rows.flatten(0, 1) @ rows.flatten(0, 1).T
    return (
        gram
        if isinstance(actions, Tensor)
        else gram.unflatten(0, rows.shape[:2]).unflatten(2, rows.shape[:2])
    )


def jacobian(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return J [N, A', P]."""
    params = {name: p.detach() for name, p in network.named_parameters()}

    def values(params: dict[str, Tensor], observation: Tensor) -> Tensor:
        return functional_call(network, params, (observation[None],))[0]

    if isinstance(actions, Tensor):

        def chosen(params: dict[str, Tensor], observation: Tensor, action: Tensor) -> Tensor:
            return values(params, observation).gather(0, action[None])[0]

        tree = vmap(grad(chosen), (None, 0, 0))(params, observations, actions)
        return torch.cat([leaf.flatten(1) for leaf in tree.values()], dim=1)[:, None]
    tree = vmap(jacrev(values), (None, 0))(params, observations)
    return torch.cat([leaf.flatten(2) for leaf in tree.values()], dim=2)
