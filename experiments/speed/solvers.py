"""Time the exact solvers on sparse open grids, beside pymdptoolbox where it is installed."""

import time
from collections.abc import Callable

import numpy as np
from scipy import sparse

from experiments.speed import record
from experiments.speed.record import made_by, save
from qdiverge.mdp import MDP, modified_policy_iteration, value_iteration
from qdiverge.mdp.problems import gridworld

TOLERANCE = 1e-8  # ‖V − V*‖∞
Solver = Callable[[MDP], np.ndarray]


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/solvers.json``; return the exit status."""
    parser = record.parser("solvers", __doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 20_000, 100_000])
    parser.add_argument("--peer-limit", type=int, default=2_000, help="most states for the peer")
    options = parser.parse_args(arguments)
    rows = []
    for size in options.sizes:
        mdp = open_grid(size)
        best = modified_policy_iteration(mdp, 1e-11).values
        for name, solve in _solvers(size <= options.peer_limit).items():
            start = time.process_time()
            values = solve(mdp)
            seconds = time.process_time() - start
            error = float(np.abs(values - best).max())
            rows.append(
                {"states": mdp.num_states, "solver": name, "cpu_s": seconds, "error": error}
            )
            print(f"{mdp.num_states:8,} states  {name:36} {seconds:9.3f} CPU s  error {error:.1e}")
    table = {"rows": rows, "tolerance": TOLERANCE, **made_by("solvers", arguments)}
    save(table, options.out, "solvers")
    return 0


def open_grid(size: int) -> MDP:
    """Return a square grid of about ``size`` cells, start and goal in opposite corners."""
    side = round(size**0.5)
    rows = [["."] * side for _ in range(side)]
    rows[0][0], rows[-1][-1] = "S", "G"
    return gridworld(["".join(row) for row in rows], 0.99, slip=0.1)


def _solvers(with_peer: bool) -> dict[str, Solver]:
    ours: dict[str, Solver] = {
        "qdiverge value iteration": lambda mdp: value_iteration(mdp, TOLERANCE).values,
        "qdiverge modified policy iteration": lambda mdp: (
            modified_policy_iteration(mdp, TOLERANCE).values
        ),
    }
    if not with_peer:
        return ours
    try:
        from mdptoolbox import mdp as peer
    except ImportError:
        print("pymdptoolbox is not installed: pip install pymdptoolbox")
        return ours

    def theirs(mdp: MDP) -> np.ndarray:
        S, A = mdp.num_states, mdp.num_actions
        pairs = mdp.transitions.tocsr()  # row s·A + a
        solver = peer.ValueIteration(
            [sparse.csr_matrix(pairs[a::A]) for a in range(A)], mdp.rewards, mdp.discount,
            epsilon=TOLERANCE, max_iter=100_000,
        )  # fmt: skip
        solver.run()
        return np.array(solver.V).reshape(S)

    return ours | {"pymdptoolbox value iteration": theirs}
