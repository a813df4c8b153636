"""The layers that have a structured rule."""

from torch import nn
from torch.nn.utils import parametrize

from qdiverge.kernel.rules.conv import ConvRule
from qdiverge.kernel.rules.embedding import EmbeddingRule
from qdiverge.kernel.rules.layer_rule import LayerRule
from qdiverge.kernel.rules.linear import LinearRule
from qdiverge.kernel.rules.norm import ChannelNormRule, LastAxesNormRule

RULES: tuple[LayerRule, ...] = (
    LinearRule(),
    ConvRule(),
    LastAxesNormRule(),
    ChannelNormRule(),
    EmbeddingRule(),
)


def rule_of(module: nn.Module) -> LayerRule | None:
    """Return the module's rule; None leaves its parameters to the fallback."""
    if parametrize.is_parametrized(module):
        return None
    return next((rule for rule in RULES if rule.matches(module)), None)


__all__ = ["RULES", "LayerRule", "rule_of"]
