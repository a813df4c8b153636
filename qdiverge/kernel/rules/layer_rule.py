"""What a layer's rule must give: the per-sample gradient of its parameters from inputs and G."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class LayerRule(ABC):
    """How one kind of layer turns its input and its output's gradient G into ∂Q/∂parameter."""

    name: str
    params: tuple[str, ...]

    @abstractmethod
    def matches(self, module: nn.Module) -> bool:
        """Return whether the module's forward is the one this rule is for."""

    @abstractmethod
    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Return how many trailing axes of the output belong to one sample's one position."""

    def num_kept_event(self, module: nn.Module, output: Tensor) -> int:
        """Return the same for what is kept of the input."""
        return self.num_event(module, output)

    def keep(self, module: nn.Module, inputs: Tensor) -> Tensor:
        """Return what is kept of the input until G is known."""
        return inputs

    @abstractmethod
    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Return ∂Q/∂param [n, A', p], flattened in :meth:`arrange`'s order.

        Args:
            module: The layer.
            param: The parameter's name in it.
            kept: [n, T, *event] of what was kept.
            grads: G [n, A', T, *event] of the output.
        """

    def write(
        self, module: nn.Module, param: str, kept: Tensor, grads: Tensor, out: Tensor
    ) -> None:
        """Put :meth:`gradient` into ``out`` [n, A', p]."""
        out.copy_(self.gradient(module, param, kept, grads))

    def arrange(self, param: str, tensor: Tensor) -> Tensor:
        """Return a tensor of the parameter's shape, flattened in the order of the gradient."""
        return tensor.flatten()

    def operations(self, module: nn.Module, param: str, kept: Tensor, output: torch.Size) -> int:
        """Return the multiply-adds of the gradients of all samples in ``kept``."""
        return output.numel()


def has_own_forward(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Return whether ``module`` runs ``kind``'s forward, not an override."""
    return (
        isinstance(module, kind)
        and type(module).forward is kind.forward
        and "forward" not in module.__dict__
    )
