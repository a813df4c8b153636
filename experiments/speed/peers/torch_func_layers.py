"""torch.func, the way of PyTorch's NTK tutorial: vmap(jacrev), then an einsum for each parameter.

The Jacobian is taken once, where the tutorial takes it for both sides.
https://docs.pytorch.org/tutorials/intermediate/neural_tangent_kernels.html
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap


def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return K [N, N], or [N, A, N, A] for all actions."""
    params = {name: p.detach() for name, p in network.named_parameters()}
    picked = actions if isinstance(actions, Tensor) else torch.zeros(len(observations))

    def values(params: dict[str, Tensor], observation: Tensor, action: Tensor) -> Tensor:
        out = functional_call(network, params, (observation[None],))[0]
        return out.gather(0, action[None]) if isinstance(actions, Tensor) else out

    tree = vmap(jacrev(values), (None, 0, 0))(params, observations, picked)
    parts = [leaf.flatten(2) for leaf in tree.values()]  # [N, A', p]
    gram = torch.stack([torch.einsum("Naf,Mbf->NaMb", part, part) for part in parts]).sum(0)
    return gram[:, 0, :, 0] if isinstance(actions, Tensor) else gram
