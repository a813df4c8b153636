"""BackPACK's BatchGrad: per-sample gradients in the backward pass, then a Gram per parameter."""

import copy
import warnings

import torch
from torch import Tensor, nn


def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return K [N, N], or [N, A, N, A] for all actions, one backward pass each."""
    from backpack import backpack, extend
    from backpack.extensions import BatchGrad

    network = extend(copy.deepcopy(network))
    values = network(observations)  # [N, A]
    if isinstance(actions, Tensor):
        outputs = [values.gather(1, actions[:, None]).sum()]
    else:
        outputs = list(values.sum(0))
    parts: list[list[Tensor]] = []
    for k, output in enumerate(outputs):
        more = k < len(outputs) - 1
        with backpack(BatchGrad(), retain_graph=more), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # containers have no extension; right
            output.backward(retain_graph=more)
        parts.append([vars(p).pop("grad_batch").flatten(1) for p in network.parameters()])
    gram = values.new_zeros(())
    for column in zip(*parts, strict=True):
        rows = column[0] if len(column) == 1 else torch.stack(column, 1).flatten(0, 1)
        gram = gram + rows.detach() @ rows.detach().T
    shape = values.shape
    return gram.detach() if isinstance(actions, Tensor) else gram.detach().reshape(*shape, *shape)
