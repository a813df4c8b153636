"""Which layer carries an eigenvector of the kernel."""

from collections.abc import Mapping

import numpy as np

from qdiverge.errors import InvalidValueError


def leading_eigenvector(K: np.ndarray) -> tuple[float, np.ndarray]:
    """Return λ_max(K) and its eigenvector, ‖v‖ = 1, its largest entry positive.

    >>> leading_eigenvector(np.diag([1.0, 3.0]))
    (3.0, array([0., 1.]))
    """
    values, vectors = np.linalg.eigh(K)
    v = vectors[:, -1]
    return float(values[-1]), v * np.sign(v[np.abs(v).argmax()])


def loadings(blocks: Mapping[str, np.ndarray], vector: np.ndarray) -> dict[str, float]:
    """Return each layer's share of an eigenvalue, vᵀK^(ℓ)v / vᵀKv with K = Σ_ℓ K^(ℓ).

    Along v, TD errors move the Q-values by λ; this splits λ over the layers. The shares of K are
    at least 0 and sum to 1. Weight and bias of one layer are taken together.

    Args:
        blocks: Parameter → K^(ℓ), [N, N].
        vector: v, [N].

    Raises:
        InvalidValueError: vᵀKv = 0.

    >>> loadings({"a.weight": np.diag([1.0, 0.0]), "a.bias": np.eye(2), "b.weight": np.eye(2)},
    ...          np.array([1.0, 0.0]))
    {'a': 0.6666666666666666, 'b': 0.3333333333333333}
    """
    shares = {name: float(vector @ block @ vector) for name, block in blocks.items()}
    total = sum(shares.values())
    if total == 0:
        raise InvalidValueError(
            "v must be a direction in which an update moves Q, with vᵀKv ≠ 0",
            got="vᵀKv = 0",
            remedy="Pass an eigenvector of K whose eigenvalue is not zero.",
        )
    return {name: share / total for name, share in by_layer(shares).items()}


def by_layer(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the sums over weight and bias of each layer, in the order of the network.

    >>> by_layer({"head.weight": 0.5, "head.bias": 0.25, "scale": 0.25})
    {'head': 0.75, 'scale': 0.25}
    """
    sums: dict[str, float] = {}
    for name, share in shares.items():
        layer, _, parameter = name.rpartition(".")
        layer = layer if layer and parameter in ("weight", "bias") else name
        sums[layer] = sums.get(layer, 0.0) + share
    return sums
