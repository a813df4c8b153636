"""Convolutions: ∂Q/∂W = Σ_l g_l p_lᵀ over the output places l, p_l the input patch under l."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from qdiverge.kernel.feature_memory import empty
from qdiverge.kernel.rules.layer_rule import LayerRule, has_own_forward

PATCH_ELEMENTS = 1 << 19  # patches made at a time, about what a core's cache holds


class ConvRule(LayerRule):
    """Conv1d, Conv2d, Conv3d with any stride, padding, dilation and groups."""

    name = "conv"
    params = ("weight", "bias")

    def matches(self, module: nn.Module) -> bool:
        """Return whether it is a convolution, not a transposed one."""
        return any(has_own_forward(module, k) for k in (nn.Conv1d, nn.Conv2d, nn.Conv3d))

    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Return channels and places."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        return len(module.kernel_size) + 1

    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Return Σ_l g_l p_lᵀ in the order [O, *kernel, C], or Σ_l g_l."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        if param == "bias":
            return grads.flatten(4).sum((2, 4))
        out = empty((*grads.shape[:2], module.weight.numel()), kept)
        self.write(module, param, kept, grads, out)
        return out

    def write(
        self, module: nn.Module, param: str, kept: Tensor, grads: Tensor, out: Tensor
    ) -> None:
        """Multiply some samples' G and patches at a time, into ``out`` itself where it can be."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        if param == "bias":
            super().write(module, param, kept, grads, out)
            return
        groups, per_group = module.groups, module.weight[0].numel()
        num, num_actions, positions, width, places = grads.flatten(4).shape
        by_group = grads.flatten(4).unflatten(3, (groups, -1)).permute(0, 3, 1, 4, 2, 5)
        by_group = by_group.reshape(num, groups, -1, positions * places)  # [n, groups, A'·O, T·L]
        is_in_order = groups == 1 or num_actions == 1
        made = out if is_in_order else torch.empty_like(out)
        products = made.view(num, groups, num_actions * width // groups, per_group)
        step = max(1, PATCH_ELEMENTS // (positions * places * per_group * groups))
        buffer = kept.new_empty(min(step, num), groups, positions * places, per_group)
        for i in range(0, num, step):
            part = kept[i : i + step]
            view = patches(_pad(module, part.flatten(0, 1)), module)
            view = view.unflatten(0, (len(part), positions)).transpose(1, 2)
            p = buffer[: len(part)]
            p.view(view.shape).copy_(view)
            g = by_group[i : i + step].flatten(0, 1)
            torch.bmm(g, p.flatten(0, 1), out=products[i : i + step].flatten(0, 1))
        if not is_in_order:
            by_action = products.unflatten(2, (num_actions, -1)).transpose(1, 2)
            out.view(by_action.shape).copy_(by_action)

    def arrange(self, param: str, tensor: Tensor) -> Tensor:
        """Put the channels behind the kernel's places."""
        return tensor.movedim(1, -1).flatten() if param == "weight" else tensor

    def operations(self, module: nn.Module, param: str, kept: Tensor, output: torch.Size) -> int:
        """Return L·O·K·C for the weight."""
        assert isinstance(module, nn.modules.conv._ConvNd)
        return output.numel() * (module.weight[0].numel() if param == "weight" else 1)


def patches(inputs: Tensor, module: nn.modules.conv._ConvNd) -> Tensor:
    """Return a view of the patches [B, groups, *places, *kernel, C] of padded ``inputs``.

    With the channels last, a patch is made of long runs of memory, and one strided copy takes all.
    """
    x = inputs.movedim(1, -1).contiguous()  # [B, *places, groups·C]
    steps, channels = x.stride()[1:-1], x.shape[-1] // module.groups
    kernel, stride, dilation = module.kernel_size, module.stride, module.dilation
    places = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(x.shape[1:-1], kernel, stride, dilation, strict=True)
    ]
    return x.as_strided(
        (len(x), module.groups, *places, *kernel, channels),
        (
            x.stride(0),
            channels,
            *(s * step for s, step in zip(stride, steps, strict=True)),
            *(d * step for d, step in zip(dilation, steps, strict=True)),
            1,
        ),
    )


def _pad(module: nn.modules.conv._ConvNd, inputs: Tensor) -> Tensor:
    widths = module._reversed_padding_repeated_twice
    if not any(widths):
        return inputs
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    return pad(inputs, widths, mode=mode)
