"""Random control problems: certificates against simulation."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.sanity.check import Check, at_most, close
from qdiverge.theory import StabilityReport, check_stability


def td_errors() -> Iterator[Check]:
    """Check random control problems: what is certified shrinks, what is called divergent grows."""
    count = {"certified": 0, "divergent": 0, "undecided": 0}
    excess, least_growth, α = 0.0, np.inf, 0.3
    for seed in range(80):
        problem = _RandomProblem(seed, is_tame=bool(seed % 2))
        w = np.random.default_rng(seed + 10_000).normal(size=8)
        report = problem.verdict(w, α)
        count[report.verdict] += 1
        if report.verdict == "certified":
            bound = report.certificate.bound
            v, β = bound.weights.numpy(), bound.weighted_modulus
            first = np.abs(problem.td_errors(w) / v).max()
            for t in range(1, 300):
                w = problem.update(w, α)
                excess = max(excess, np.abs(problem.td_errors(w) / v).max() / (β**t * first))
        if report.verdict == "divergent" and report.divergent_actions is not None:
            grown, growth = problem.growing_direction(report.divergent_actions.numpy(), α)
            if grown is not None:  # a real eigenvector, so that the growth is a plain power
                w = 1e6 * grown  # far out, where the rewards no longer matter
                first = np.abs(w).max()
                for _ in range(20):
                    w = problem.update(w, α)
                least_growth = min(least_growth, np.abs(w).max() / first / growth**20)
    yield at_most("certified: largest ‖δ_t‖_v/(β^t ‖δ_0‖_v) over 300 updates", excess, 1 + 1e-9)
    yield close("divergent: least growth over 20 updates, in |λ|^20", least_growth, 1.0, 1e-4)
    yield Check(
        "problems of each verdict",
        "≥ 10 certified, ≥ 10 divergent",
        ", ".join(f"{number} {name}" for name, number in count.items()),
        "",
        min(count["certified"], count["divergent"]) >= 10,
    )


class _RandomProblem:
    """Linear Q-learning on five pairs with two successor actions, γ = .9."""

    def __init__(self, seed: int, is_tame: bool) -> None:
        rng = np.random.default_rng(seed)
        spread, scale = (0.15, 0.5) if is_tame else (1.0, 1.5)  # tame: features nearly orthogonal
        self.Φ = spread * rng.normal(size=(5, 8)) + (1 - spread) * np.eye(5, 8)
        self.rho = rng.dirichlet(np.full(5, 20.0))
        noise = spread * rng.normal(size=(5, 2, 8))
        self.after = scale * rng.uniform(0.5, 1.5) * (0.7 * self.Φ[:, None] + 0.4 * noise)
        self.rewards = rng.normal(size=5)

    def verdict(self, w: np.ndarray, α: float) -> StabilityReport:
        K, successors = self.Φ @ self.Φ.T, 0.9 * self.after @ self.Φ.T
        greedy = torch.tensor((self.after @ w).argmax(1))
        rho = torch.tensor(self.rho)
        return check_stability(torch.tensor(K), torch.tensor(successors), greedy, rho, α)

    def td_errors(self, w: np.ndarray) -> np.ndarray:
        return self.rewards + 0.9 * (self.after @ w).max(1) - self.Φ @ w

    def update(self, w: np.ndarray, α: float) -> np.ndarray:
        return w + α * self.Φ.T @ (self.rho * self.td_errors(w))

    def growing_direction(self, actions: np.ndarray, α: float) -> tuple[np.ndarray | None, float]:
        """Return the weights that grow under these greedy actions and |λ|; None if complex."""
        chosen = self.after[np.arange(5), actions]
        step = np.eye(8) + α * self.Φ.T @ (self.rho[:, None] * (0.9 * chosen - self.Φ))
        eigenvalues, vectors = np.linalg.eig(step)
        top = np.abs(eigenvalues).argmax()
        if eigenvalues[top].imag != 0 or eigenvalues[top].real < 0:
            return None, 0.0
        w = vectors[:, top].real
        is_greedy = ((self.after @ w).argmax(1) == actions).all()
        return (w if is_greedy else -w), float(eigenvalues[top].real)
