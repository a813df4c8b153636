"""Convolutions: ∂Q/∂W = Σ_l g_l p_lᵀ over the output places l, p_l the input patch under l."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from qdiverge.kernel.rules.base import Rule, has_own_forward

PATCH_ELEMENTS = 1 << 19  # patches made at a time, about what a core's cache holds


class ConvRule(Rule):
    """Conv1d, Conv2d, Conv3d with any stride, padding, dilation and groups."""

    name = "conv"
    params = ("weight", "bias")

    def matches(self, module: nn.Module) -> bool:
        """Whether it is a convolution, not a transposed one."""
        return any(has_own_forward(module, k) for k in (nn.Conv1d, nn.Conv2d, nn.Conv3d))

    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Channels and places."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        return len(module.kernel_size) + 1

    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Return Σ_l g_l p_lᵀ in the order [O, *kernel, C], or Σ_l g_l."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        grads = grads.flatten(4)  # [n, A', T, O, L]
        if param == "bias":
            return grads.sum((2, 4))
        num, num_actions, positions, width, places = grads.shape
        groups, kernel = module.groups, module.kernel_size
        per_group = module.in_channels // groups * int(torch.Size(kernel).numel())
        step = max(1, PATCH_ELEMENTS // (positions * places * per_group * groups))
        out = kept.new_empty(num, groups, num_actions * (width // groups), per_group)
        by_group = grads.unflatten(3, (groups, -1)).permute(0, 3, 1, 4, 2, 5)
        by_group = by_group.reshape(num, groups, -1, positions * places)
        for i in range(0, num, step):
            part = kept[i : i + step]
            p = patches(_pad(module, part.flatten(0, 1)), module).unflatten(0, (len(part), -1))
            p = p.transpose(1, 2).reshape(len(part) * groups, positions * places, per_group)
            g = by_group[i : i + step].flatten(0, 1)
            torch.bmm(g, p, out=out[i : i + step].view(len(p), -1, per_group))
        out = out.view(num, groups, num_actions, -1).transpose(1, 2)
        return out.reshape(num, num_actions, -1)  # [n, A', O·K·C]

    def arrange(self, param: str, tensor: Tensor) -> Tensor:
        """Put the channels behind the kernel's places."""
        return tensor.movedim(1, -1).flatten() if param == "weight" else tensor

    def operations(self, module: nn.Module, param: str, kept: Tensor, output: torch.Size) -> int:
        """L·O·K·C for the weight."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        return output.numel() * (module.weight[0].numel() if param == "weight" else 1)


def patches(inputs: Tensor, module: nn.modules.conv._ConvNd) -> Tensor:
    """Return the patches [B, groups, L, K·C] of padded ``inputs`` [B, groups·C, *places].

    With the channels last, a patch is made of long runs of memory, and one strided copy takes all.
    """
    x = inputs.movedim(1, -1).contiguous()  # [B, *places, groups·C]
    steps, channels = x.stride()[1:-1], x.shape[-1] // module.groups
    kernel, stride, dilation = module.kernel_size, module.stride, module.dilation
    places = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(x.shape[1:-1], kernel, stride, dilation, strict=True)
    ]
    view = x.as_strided(
        (len(x), module.groups, *places, *kernel, channels),
        (
            x.stride(0),
            channels,
            *(s * step for s, step in zip(stride, steps, strict=True)),
            *(d * step for d, step in zip(dilation, steps, strict=True)),
            1,
        ),
    )
    num_places = int(torch.Size(places).numel())
    return view.reshape(len(x), module.groups, num_places, -1)


def _pad(module: nn.modules.conv._ConvNd, inputs: Tensor) -> Tensor:
    widths = module._reversed_padding_repeated_twice
    if not any(widths):
        return inputs
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return pad(inputs, widths, mode=mode)
