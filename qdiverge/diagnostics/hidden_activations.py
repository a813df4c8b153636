"""The hidden activations of any network, layer by layer, read without a trace."""

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.critics import CriticView
from qdiverge.diagnostics.quiet import quiet
from qdiverge.errors import UnsupportedNetworkError

PARAMETRIC = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def layer_inputs(module: nn.Module, *inputs: Tensor) -> dict[str, Tensor]:
    """Return what enters each linear or convolutional layer, by its name.

    The first entry is the observation. Each further one is what the hidden units before that layer
    put out, after their activation function, also where that is a plain function. The last one
    holds the features of the output layer.

    Args:
        module: A network, or one view of a critic with several values: then the layers that lead to
            another value alone are left out.
        inputs: What it is called with: observations [N, ...], and actions [N, k] for a critic.

    Returns:
        Layer name → [N, units], or [N, channels, positions] before a convolution; in the order of
        the forward pass. A layer that is called more than once keeps its last input.

    Raises:
        UnsupportedNetworkError: there is no such layer.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> with torch.no_grad():
    ...     _ = net[0].weight.copy_(torch.tensor([[1.0], [-1.0]])), net[0].bias.zero_()
    >>> layer_inputs(net, torch.tensor([[3.0]]))
    {'0': tensor([[3.]]), '2': tensor([[3., 0.]])}
    """
    entering: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        entering.pop(name, None)  # so that the order is that of the last calls
        entering[name] = value.detach().flatten(2) if value.ndim > 2 else value.detach()

    with ExitStack() as stack:
        for name, layer in module.named_modules():
            if isinstance(layer, PARAMETRIC):
                hook = layer.register_forward_pre_hook(lambda _, args, n=name: keep(n, args[0]))
                stack.callback(hook.remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(quiet(module))
        module(*inputs)
    if isinstance(module, CriticView):
        for name in module.leading_elsewhere(*inputs):
            entering.pop(name, None)
    if not entering:
        raise UnsupportedNetworkError(
            "the network must have a linear or convolutional layer",
            got=type(module).__name__,
            remedy="Features are read from such layers; other diagnostics work without.",
        )
    return entering
