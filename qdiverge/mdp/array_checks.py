"""Checks of the arrays that make a Markov decision process."""

from typing import Any

import numpy as np
from scipy import sparse

from qdiverge.errors import InvalidValueError
from qdiverge.mdp.mdp_errors import InvalidTransitionsError, UnreachableStartError
from qdiverge.tensor_checks import check_array

ROW_TOLERANCE = 1e-8  # of a row sum; below it the rows are normalised


def as_q(name: str, value: Any) -> np.ndarray:
    """Return ``value`` as it is where it is an array of numbers; NaN may be in it.

    Raises:
        InvalidTypeError: it is none.
        InvalidValueError: it is empty, or one number.
    """
    is_fine = isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
    table = np.asarray(value) if is_fine else check_array(name, value)
    if not (table.ndim and table.size):
        raise InvalidValueError(f"{name} must be an array [..., A]", got=list(table.shape))
    return table


def check_initial(initial: Any, terminal: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values to start from, 0 at terminal states; zeros for None.

    Raises:
        InvalidValueError: they have another shape than ``shape``, or are not finite.
    """
    if initial is None:
        return np.zeros(shape)
    values = check_array("initial", initial)
    if values.shape != shape:
        raise InvalidValueError(f"initial must have shape {list(shape)}", got=list(values.shape))
    values[terminal] = 0.0
    return values


def check_transitions(transitions: Any) -> sparse.csr_array:
    """Return P as a read-only CSR array [S·A, S] whose rows sum to 1.

    Raises:
        InvalidValueError: the shape is neither [S, A, S] nor, sparse, [S·A, S].
        InvalidTransitionsError: an entry is negative or a row does not sum to 1.
    """
    if sparse.issparse(transitions):
        P = sparse.csr_array(transitions, dtype=np.float64, copy=True)
        check_array("transitions", P.data)
        P.sum_duplicates()
    else:
        dense = check_array("transitions", transitions)
        if dense.ndim != 3 or dense.shape[0] != dense.shape[2] or dense.size == 0:
            raise InvalidValueError(
                "transitions must be dense [S, A, S], or scipy-sparse [S·A, S]",
                got=list(dense.shape),
            )
        P = sparse.csr_array(dense.reshape(-1, dense.shape[2]))
    num_rows, num_states = P.shape
    if num_states == 0 or num_rows == 0 or num_rows % num_states:
        raise InvalidValueError(
            "sparse transitions must be [S·A, S], row s·A + a for each state s and action a",
            got=[num_rows, num_states],
        )
    num_actions = num_rows // num_states
    sums = np.asarray(P.sum(axis=1)).ravel()
    worst = int(np.abs(sums - 1).argmax())
    if P.nnz and P.data.min() < 0:
        row = int(np.searchsorted(P.indptr, P.data.argmin(), side="right")) - 1
        raise InvalidTransitionsError(
            "transitions must be probabilities",
            got=f"{P.data.min():.6g} for state {row // num_actions}, action {row % num_actions}",
        )
    if abs(sums[worst] - 1) > ROW_TOLERANCE:
        raise InvalidTransitionsError(
            "every row P(·|s, a) must sum to 1",
            got=f"{sums[worst]:.10g} for state {worst // num_actions}, "
            f"action {worst % num_actions}",
            remedy="Divide each row by its sum, or send what is missing to an absorbing state.",
        )
    P.eliminate_zeros()
    P.data /= np.repeat(sums, np.diff(P.indptr))
    P.data.setflags(write=False)
    return P


def check_rewards(rewards: Any, given: Any, P: sparse.csr_array) -> np.ndarray:
    """Return the expected rewards, read-only [S, A].

    Raises:
        InvalidValueError: the shape fits neither [S, A], [S] nor dense [S, A, S].
    """
    num_states = P.shape[1]
    num_actions = P.shape[0] // num_states
    R = check_array("rewards", rewards)
    if R.shape == (num_states, num_actions, num_states) and not sparse.issparse(given):
        R = (R.reshape(P.shape) * P.toarray()).sum(1).reshape(num_states, num_actions)
    elif R.shape == (num_states,):
        R = np.repeat(R[:, None], num_actions, axis=1)
    if R.shape != (num_states, num_actions):
        raise InvalidValueError(
            f"rewards must be [S, A] = [{num_states}, {num_actions}], [S], or with dense "
            "transitions [S, A, S]",
            got=list(R.shape),
        )
    R.setflags(write=False)
    return R


def check_start(start: Any, num_states: int) -> np.ndarray:
    """Return the start distribution, read-only [S]; a single state becomes a point mass.

    Raises:
        UnreachableStartError: the single state does not exist.
        InvalidValueError: the array is no distribution over the states.
    """
    given = np.zeros(()) if start is None else check_array("start", start)
    if given.ndim == 0:
        state = int(given)
        if state != given or not 0 <= state < num_states:
            raise UnreachableStartError(
                f"start must be one of the states 0 … {num_states - 1}", got=start
            )
        mass = np.zeros(num_states)
        mass[state] = 1.0
    else:
        mass = _distribution("start", start, num_states, "states, or one state")
        mass /= mass.sum()
    mass.setflags(write=False)
    return mass


def check_observations(observations: Any, num_states: int) -> np.ndarray | None:
    """Return the observations, read-only [S, k], or None.

    Raises:
        InvalidValueError: there is not one row for each state.
    """
    if observations is None:
        return None
    features = check_array("observations", observations)
    if features.ndim != 2 or features.shape[0] != num_states:
        raise InvalidValueError(
            f"observations must be [S, k] with S = {num_states}", got=list(features.shape)
        )
    features.setflags(write=False)
    return features


def check_terminal(terminal: Any, P: sparse.csr_array, R: np.ndarray) -> np.ndarray:
    """Return which states are terminal, read-only bool [S]; by default all that stay for 0 reward.

    Raises:
        InvalidValueError: the shape is wrong, or a terminal state can be left or pays.
    """
    S, A = R.shape
    rows, columns = P.tocoo().coords
    loops = columns == rows // A
    own = np.bincount(rows[loops], P.data[loops], minlength=S * A).reshape(S, A)
    ends = ((own == 1.0) & (R == 0)).all(1)
    if terminal is not None:
        given = check_array("terminal", terminal) != 0
        if given.shape != (S,):
            raise InvalidValueError(f"terminal must be bool [{S}]", got=list(given.shape))
        if (given & ~ends).any():
            raise InvalidValueError(
                "in a terminal state every action must stay and pay 0",
                got=f"state {int(np.flatnonzero(given & ~ends)[0])}, which can be left or pays",
                remedy="Put the last reward on the transition into it.",
            )
        ends = given
    ends.setflags(write=False)
    return ends


def check_policy(policy: Any, num_states: int, num_actions: int) -> np.ndarray:
    """Return a policy as probabilities [S, A]; integer actions [S] become a one-hot.

    Raises:
        InvalidValueError: the shape is wrong, an action does not exist, or a row is no
            distribution.
    """
    rows = check_array("policy", policy)
    if rows.shape == (num_states,) and (rows == rows.round()).all():
        given = rows.astype(np.int64)
        if given.min() < 0 or given.max() >= num_actions:
            raise InvalidValueError(
                f"actions must lie in 0 … {num_actions - 1}", got=f"{given.min()} … {given.max()}"
            )
        return np.eye(num_actions)[given]
    if rows.shape != (num_states, num_actions):
        raise InvalidValueError(
            f"policy must be integer actions [{num_states}], or probabilities "
            f"[{num_states}, {num_actions}]",
            got=list(rows.shape),
        )
    if rows.min() < 0 or np.abs(rows.sum(1) - 1).max() > ROW_TOLERANCE:
        state = int(np.abs(rows.sum(1) - 1).argmax())
        raise InvalidValueError(
            "every row of policy must be a distribution over the actions",
            got=f"{rows[state].tolist()} at state {state}",
        )
    return rows


def check_pairs_rho(rho: Any, num_pairs: int) -> np.ndarray:
    """Return the sampling distribution over the pairs, read-only [N]; uniform for None.

    Raises:
        InvalidValueError: it is no distribution over the pairs.
    """
    weights = np.full(num_pairs, 1 / num_pairs)
    if rho is not None:
        weights = _distribution("rho", check_array("rho", rho).ravel(), num_pairs, "pairs")
    weights.setflags(write=False)
    return weights


def _distribution(name: str, value: Any, size: int, what: str) -> np.ndarray:
    mass = check_array(name, value)
    if mass.shape != (size,) or mass.min() < 0 or abs(mass.sum() - 1) > ROW_TOLERANCE:
        raise InvalidValueError(
            f"{name} must be a distribution over the {size} {what}",
            got=f"shape {list(mass.shape)}, sum {mass.sum():.6g}",
            remedy=f"Normalise it: {name} / {name}.sum().",
        )
    return mass
