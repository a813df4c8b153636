"""Rows of a kernel in an order that lays similar ones side by side."""

import numpy as np

LARGEST_OPTIMAL = 300  # rows whose best order is found within a second or so


def order_by_similarity(cosine: np.ndarray) -> np.ndarray:
    """Return the leaves of a hierarchical clustering, in the order of least distance.

    Average linkage on the distances 1 − c_ij (Bar-Joseph et al. 2001: of all orders that the tree
    allows, the one with the least sum of distances between neighbours). It is turned such that the
    more similar half comes first.

    Args:
        cosine: c, [N, N]; NaN counts as 0.

    Returns:
        A permutation, int [N].

    >>> c = np.cos(np.subtract.outer([0.0, 1.0, 0.1, 0.9], [0.0, 1.0, 0.1, 0.9]))
    >>> [0.0, 1.0, 0.1, 0.9][order_by_similarity(c)[1]] in (0.1, 0.9)
    True
    """
    size = len(cosine)
    if size < 3:
        return np.arange(size)
    from scipy.cluster.hierarchy import leaves_list, linkage

    c = np.clip(np.nan_to_num(cosine), -1.0, 1.0)
    distances = (1.0 - (c + c.T) / 2)[np.triu_indices(size, 1)]
    tree = linkage(distances, method="average", optimal_ordering=size <= LARGEST_OPTIMAL)
    order = leaves_list(tree).astype(np.int64)
    half = size // 2
    first, second = (c[np.ix_(part, part)].mean() for part in (order[:half], order[-half:]))
    return order if first >= second else order[::-1].copy()
