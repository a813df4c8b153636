"""Exact problems: what the verdict says of each beside what training does."""

import numpy as np
import torch

import qdiverge as qd
from qdiverge.mdp.problems import baird, boyan_chain, w_to_2w

# Boyan's chain is learnt as it is walked; the others are updated at states that no policy visits so
PROBLEMS = {"Boyan's chain": boyan_chain(), "w and 2w": w_to_2w(0.9), "Baird's star": baird(0.99)}


def main(num_updates: int = 2_000, learning_rate: float = 0.01) -> dict[str, tuple[str, float]]:
    """Return for each problem the verdict, and by which factor training changed the TD errors."""
    found = {}
    for name, problem in PROBLEMS.items():
        weights = problem.weights
        report = qd.check_stability(
            torch.tensor(problem.kernel),
            torch.tensor(problem.successor_kernel(weights)),
            rho=torch.tensor(problem.rho),
            learning_rate=learning_rate,
        )
        before = np.abs(problem.td_errors(weights)).max()
        for _ in range(num_updates):
            weights = problem.update(weights, learning_rate=learning_rate)
        factor = float(np.abs(problem.td_errors(weights)).max() / before)
        found[name] = (report.verdict, factor)
        print(f"{name}: {report.verdict}; in training TD errors change by a factor {factor:.3g}")
    return found


if __name__ == "__main__":
    main()
