"""Embeddings: ∂Q/∂E[v] = Σ_t 1[id_t = v] g_t."""

from torch import Tensor, nn

from qdiverge.kernel.rules.layer_rule import LayerRule, has_own_forward


class EmbeddingRule(LayerRule):
    """y_t = E[id_t]."""

    name = "embedding"
    params = ("weight",)

    def matches(self, module: nn.Module) -> bool:
        """Return whether it is a plain lookup."""
        return (
            has_own_forward(module, nn.Embedding)
            and isinstance(module, nn.Embedding)
            and module.max_norm is None
            and not module.scale_grad_by_freq
            and not module.sparse
        )

    def num_event(self, module: nn.Module, output: Tensor) -> int:
        """Return the last axis, where the embedding is."""
        return 1

    def num_kept_event(self, module: nn.Module, output: Tensor) -> int:
        """Return no axis: ids have none of their own."""
        return 0

    def gradient(self, module: nn.Module, param: str, kept: Tensor, grads: Tensor) -> Tensor:
        """Add each g_t to its row of the table."""
        assert isinstance(module, nn.Embedding)
        num, num_actions, _, width = grads.shape
        table = grads.new_zeros(num, num_actions, module.num_embeddings, width)
        index = kept[:, None, :, None].expand_as(grads)
        return table.scatter_add_(2, index, masked(module, kept, grads)).flatten(2)


def masked(module: nn.Embedding, ids: Tensor, grads: Tensor) -> Tensor:
    """Return G without what goes to the padding row, which is never trained."""
    if module.padding_idx is None:
        return grads
    return grads.masked_fill((ids == module.padding_idx)[:, None, :, None], 0.0)
