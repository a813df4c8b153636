"""Large linear layers on a CPU through oneDNN, in fp32: twice as fast as MKL on AMD with AVX-512.

    y = x Wᵀ + b,  ∂x = ∂y W,  ∂W = ∂yᵀ x,  ∂b = Σ_i ∂y_i

PyTorch gives fp32 products to MKL, which keeps to AVX2 on AMD, and convolutions to oneDNN, which
takes AVX-512 where there is any; where there is none the detour is slower (an update of the Nature
network 58 to 66 ms for 50 to 53). The sums are the same, in another order: last bits differ.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

SMALLEST = 65_536  # weights; below that the detour costs more than it saves


class FastLinear(TorchFunctionMode):
    """Inside this context large linear layers go through oneDNN; nothing else changes.

    The modules stay what they are: whoever looks at them outside the context sees plain layers.

    >>> x, weight = torch.ones(2, 512), torch.full((128, 512), 0.5)
    >>> with FastLinear():
    ...     print(functional.linear(x, weight)[1, 5].item())
    256.0
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Divert what is worth it."""
        if func is functional.linear and not kwargs and _is_worth_it(*args):
            return _Linear.apply(*args)
        return func(*args, **(kwargs or {}))


def is_available() -> bool:
    """Return whether this build of PyTorch has oneDNN's linear layer."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def is_faster() -> bool:
    """Return whether it is there, and this processor has what makes it faster."""
    return is_available() and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _is_worth_it(x: Tensor, weight: Tensor, *_: Any) -> bool:
    is_plain = x.ndim == 2 and x.dtype == weight.dtype == torch.float32
    return is_plain and weight.device.type == "cpu" and weight.numel() >= SMALLEST


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return X Wᵀ + b."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, *needs_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if needs_x else None,
            _product(gradient.t(), x.t()) if needs_weight else None,
            *(gradient.sum(dim=0) if needed else None for needed in needs_bias),
        )
