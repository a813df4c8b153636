"""Linear layers: ∂Q/∂W = Σ_t g_t a_tᵀ, ∂Q/∂b = Σ_t g_t over the positions t."""

import torch
from torch import Tensor, nn

from qdiverge.kernel.rules.layer_rule import LayerRule, has_own_forward


class LinearRule(LayerRule):
    """y_t = W a_t + b."""

    name = "linear"
    params = ("weight", "bias")

    def matches(self, module: nn.Module) -> bool:
        """Return whether it is a Linear."""
        return has_own_forward(module, nn.Linear)

    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Return the last axis, where the features are."""
        return 1

    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Return Σ_t g_t a_tᵀ or Σ_t g_t."""
        if param == "bias":
            return grads.sum(2)  # [n, A', O]
        num, num_actions, positions, width = grads.shape
        by_output = grads.transpose(2, 3).reshape(num, num_actions * width, positions)
        return by_output.bmm(kept).view(num, num_actions, -1)  # [n, A', O·I]

    def operations(self, module: nn.Module, param: str, kept: Tensor, output: torch.Size) -> int:
        """Return T·O·I for the weight."""
        return output.numel() * (kept.shape[-1] if param == "weight" else 1)
