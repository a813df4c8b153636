"""V* as a linear program: an answer that owes nothing to iteration."""

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from qdiverge.mdp.mdp_errors import NotConvergedError
from qdiverge.mdp.model import MDP
from qdiverge.mdp.value_iteration import Solution
from qdiverge.thing_checks import check_instance


def linear_program(mdp: MDP) -> Solution:
    """Return V* as the least V with V(s) ≥ R(s, a) + γ Σ_{s'} P(s'|s, a) V(s') for every a.

        minimise Σ_s V(s)  subject to  (E − γP)V ≥ R,   V(terminal) = 0.

    Source: d'Epenoux 1963; Puterman 1994, section 6.9. Solved by HiGHS (scipy).

    Raises:
        NotConvergedError: the solver failed, with its reason.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> linear_program(mdp).values
    array([2., 0.])
    """
    check_instance("mdp", mdp, MDP)
    S, A = mdp.rewards.shape
    own = sparse.csr_array((np.ones(S * A), np.repeat(np.arange(S), A), np.arange(S * A + 1)))
    bounds = np.where(mdp.terminal[:, None], 0.0, np.array([[-np.inf, np.inf]]))
    optimum = linprog(
        np.ones(S),
        A_ub=mdp.discount * mdp.continuing - own,
        b_ub=-mdp.rewards.ravel(),
        bounds=bounds,
        method="highs",
    )
    if not optimum.success:
        raise NotConvergedError("the linear program must have a solution", got=optimum.message)
    return Solution.of(mdp, optimum.x, int(optimum.nit))
