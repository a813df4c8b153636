"""Per-sample normalisations: y = w ∘ x̂ + b, so ∂Q/∂w = Σ g ∘ x̂ and ∂Q/∂b = Σ g."""

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

from qdiverge.kernel.rules.layer_rule import LayerRule, has_own_forward


class LastAxesNormRule(LayerRule):
    """LayerNorm and RMSNorm: a weight for each place of the last axes."""

    name = "norm"
    params = ("weight", "bias")

    def matches(self, module: nn.Module) -> bool:
        """Return whether it normalises over its last axes."""
        return has_own_forward(module, nn.LayerNorm) or has_own_forward(module, nn.RMSNorm)

    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Return the normalised axes."""
        assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
        return len(module.normalized_shape)

    def keep(self, module: nn.Module, inputs: Tensor) -> Tensor:
        """Return x̂."""
        if isinstance(module, nn.LayerNorm):
            return functional.layer_norm(inputs, module.normalized_shape, eps=module.eps)
        assert isinstance(module, nn.RMSNorm)
        return functional.rms_norm(inputs, list(module.normalized_shape), eps=module.eps)

    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Return Σ_t g_t ∘ x̂_t or Σ_t g_t."""
        weighted = grads * kept.unsqueeze(1) if param == "weight" else grads
        return weighted.sum(2).flatten(2)


class ChannelNormRule(LayerRule):
    """GroupNorm, InstanceNorm, and BatchNorm in evaluation: a weight for each channel."""

    name = "channel norm"
    params = ("weight", "bias")

    def matches(self, module: nn.Module) -> bool:
        """Return whether it scales channels."""
        kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        instance = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
        if has_own_forward(module, nn.GroupNorm):
            return True
        if isinstance(module, kinds):
            return type(module).forward is _BatchNorm.forward
        return isinstance(module, instance) and type(module).forward is _InstanceNorm.forward

    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Return channels and places."""
        return output.dim() - 1

    def keep(self, module: nn.Module, inputs: Tensor) -> Tensor:
        """Return x̂."""
        if isinstance(module, nn.GroupNorm):
            return functional.group_norm(inputs, module.num_groups, eps=module.eps)
        assert isinstance(module, _NormBase)
        mean, variance = module.running_mean, module.running_var
        if isinstance(module, _BatchNorm):
            return functional.batch_norm(inputs, mean, variance, eps=module.eps)
        if module.training or mean is None:
            return functional.instance_norm(inputs, eps=module.eps)
        return functional.instance_norm(
            inputs, mean, variance, use_input_stats=False, eps=module.eps
        )

    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Return Σ g ∘ x̂ or Σ g over positions and places, for each channel."""
        weighted = grads * kept.unsqueeze(1) if param == "weight" else grads
        return weighted.flatten(4).sum((2, 4)) if weighted.dim() > 4 else weighted.sum(2)
