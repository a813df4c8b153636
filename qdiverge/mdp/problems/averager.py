"""Gordon's averagers: function approximators that cannot exaggerate."""

import numpy as np

from qdiverge.checks import check_integer
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_array


def nearest_averager(
    points: np.ndarray, anchors: np.ndarray, num_neighbours: int = 1
) -> np.ndarray:
    """Return F ``[S, S]``: each state takes the mean value of its nearest anchor states.

    Rows are non-negative and sum to 1, so with it fitted value iteration converges for every MDP,
    where least squares need not.

    Source: Gordon 1995, section 4 (k-nearest neighbour).

    Args:
        points: where the states lie, ``[S, k]``.
        anchors: the states whose values are stored, int ``[m]``.
        num_neighbours: how many anchors are averaged, ties to the first.

    Raises:
        InvalidTypeError, InvalidValueError: the points are no ``[S, k]``, an anchor is no state, or
            there are fewer than ``num_neighbours``.

    >>> nearest_averager(np.array([[0.0], [1.0], [3.0]]), np.array([0, 2]))
    array([[1., 0., 0.],
           [1., 0., 0.],
           [0., 0., 1.]])
    """
    where, named = check_array("points", points), check_array("anchors", anchors)
    if where.ndim != 2:
        raise InvalidValueError("points must be [S, k]", got=list(where.shape))
    is_list = named.ndim == 1 and named.size > 0 and bool((named == named.round()).all())
    if not is_list or named.min() < 0 or named.max() >= len(where):
        raise InvalidValueError(
            f"anchors must be a list of states 0 … {len(where) - 1}", got=named.tolist()
        )
    chosen = named.astype(np.int64)
    if (num_neighbours := check_integer("num_neighbours", num_neighbours, 1)) > len(chosen):
        raise InvalidValueError(
            f"num_neighbours must lie in 1 … {len(chosen)}, the number of anchors",
            got=num_neighbours,
        )
    distances = np.linalg.norm(where[:, None] - where[chosen][None], axis=2)  # [S, m]
    nearest = chosen[np.argsort(distances, axis=1, kind="stable")[:, :num_neighbours]]
    F = np.zeros((len(where), len(where)))
    np.add.at(F, (np.arange(len(where))[:, None], nearest), 1 / num_neighbours)
    return F
