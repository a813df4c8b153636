"""The leaves of an autograd graph: what a value was computed from."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor


def graph_leaves(value: Tensor) -> Iterator[Tensor]:
    """Yield the leaves that a value was computed from, those that ask for a gradient.

    >>> import torch
    >>> w, x = torch.ones(2, requires_grad=True), torch.ones(2)
    >>> [leaf is w for leaf in graph_leaves((w * x).sum())]
    [True]
    """
    nodes: list[Any] = [value.grad_fn]
    seen: set[Any] = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        nodes += [following for following, _ in node.next_functions]
