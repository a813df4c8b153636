"""Certificates: the row condition, the exact moduli, TD errors, target networks, noise."""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import torch

from experiments.sanity.check import Check, at_most, close, crossing, relative, same
from experiments.sanity.counterexamples import verdict
from qdiverge.mdp import (
    kernel_operator,
    linear_q_learning,
    measure_contraction,
    sampled_operator,
    tabular_operator,
    value_iteration,
    worst_pair,
)
from qdiverge.mdp.problems import baird, garnet
from qdiverge.theory import (
    StabilityReport,
    attribute,
    check_contraction,
    check_stability,
    critical_learning_rate,
    forecast_blow_up,
    sup_norm_modulus,
)

F = torch.float64


def row_condition() -> Iterator[Check]:
    """Achiam's row condition and its exact form."""
    bound = check_contraction(torch.eye(2, dtype=F), discount=0.99).row_ratio_bound
    yield close("bound of the row ratio at γ = .99", bound, 0.005025, 5e-7)
    product_ = np.prod(1 - 1 / (np.arange(1e6) + 2) ** 2)
    yield close("β_k = 1 − 1/(k+2)²: the product of all", product_, 0.5, 1e-6)
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(50):
        J, rho, α, γ = (
            rng.normal(size=(5, 4)),
            rng.dirichlet(np.ones(5)),
            rng.random(),
            rng.random(),
        )
        K = J @ J.T
        G = α * K * rho
        brute = (np.abs(np.eye(5) - G) + γ * np.abs(G)).sum(1)
        found = check_contraction(torch.tensor(K), torch.tensor(rho), γ, α).row_modulus
        worst = max(worst, np.abs(found.numpy() - brute).max())
    yield at_most("|1−x| + γx + (1+γ)o is Σ_j |δ_ij − αK_ijρ_j| + αγ|K_ij|ρ_j: error", worst, 1e-13)


def exact_modulus() -> Iterator[Check]:
    """The exact sup-norm modulus on closed index sets (section 2.1)."""
    worst = slack = 0.0
    for seed in range(20):
        mdp = garnet(3, 2, 2, 0.9, seed=seed)
        J = np.random.default_rng(seed).normal(size=(6, 4))
        U = kernel_operator(mdp, J @ J.T, 0.5)
        worst = max(worst, abs(U.modulus - _over_policies(mdp, U.step)))
        row = check_contraction(torch.tensor(J @ J.T), discount=0.9, learning_rate=0.5).modulus
        slack = max(slack, U.modulus - row)
    yield at_most("it is the maximum over all policies: error", worst, 1e-12)
    yield at_most("it never exceeds the row-wise modulus: excess", slack, 1e-12)
    K, rho = (
        torch.tensor([[1.0, 3.0], [3.0, 100.0]], dtype=F),
        torch.tensor([0.999, 0.001], dtype=F),
    )
    P = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=F)
    H = 0.01 * K * rho
    radius = float(torch.linalg.eigvals(torch.eye(2, dtype=F) - H + 0.5 * H @ P).abs().max())
    comparison = (torch.eye(2, dtype=F) - H).abs() + 0.5 * H.abs()
    unsound = float(torch.linalg.eigvals(comparison).abs().max())
    yield close("trap: true spectral radius", radius, 1.00296, 5e-6)
    yield close("trap: what the unsound comparison matrix claims", unsound, 0.99991, 5e-6)
    best = sup_norm_modulus(K, P, rho, 0.5, 0.01).weighted_modulus
    yield same("trap: the exact modulus certifies it in some norm", best < 1, False)


def operators() -> Iterator[Check]:
    """U₁, U₂ and U₃ on a random MDP of 20 states and 3 actions, γ = .9."""
    mdp = garnet(20, 3, 3, 0.9)
    rng = np.random.default_rng(0)
    rho, J = rng.uniform(1, 2, 60), rng.normal(size=(60, 20)) / 20
    rho /= rho.sum()
    closed = {"U1": 1 - 0.1 * 0.5, "U2": 1 - 0.1 * 30 * rho.min()}
    kernel = np.eye(60) + 0.02 * J @ J.T
    all_three = {
        "U1": tabular_operator(mdp, 0.5),
        "U2": sampled_operator(mdp, 30.0, rho),
        "U3": kernel_operator(mdp, kernel, 30.0, rho),
    }
    q_star = value_iteration(mdp, 1e-12).q
    for name, U in all_three.items():
        if name in closed:
            yield close(f"{name}: 1 − (1−γ)α min ρ", U.modulus, closed[name], 1e-13)
        yield close(
            f"{name}: contraction of the worst pair",
            U.contraction(*worst_pair(U)),
            U.modulus,
            1e-12,
        )
        run = measure_contraction(U, q_star + rng.normal(size=q_star.shape), q_star, 30)
        yield at_most(f"{name}: largest factor of 30 updates", run.factors.max(), U.modulus)


def equicorrelated() -> Iterator[Check]:
    """K = I + d·11ᵀ with the cyclic successor: how conservative each certificate is."""
    N, γ = 12, 0.9

    def report(d: float):
        K = torch.eye(N, dtype=F) + d
        return check_stability(K, γ * K.roll(-1, 0), learning_rate=0.01)

    def row_holds(d: float) -> bool:
        return check_contraction(torch.eye(N, dtype=F) + d, discount=γ, learning_rate=0.01).holds

    bound = (1 - γ) / ((1 + γ) * (N - 1))
    d = crossing(row_holds, 0.0, 1.0)
    yield relative("row condition: d/(1+d) < (1−γ)/((1+γ)(N−1))", d / (1 + d), bound, 1e-6)
    d = crossing(lambda d: report(d).certificate.bound.modulus < 1, 1e-6, 1.0, 40)
    yield relative("TD-error certificate: d < 1/(N−4)", d, 1 / (N - 4), 1e-6)
    for d in (0.1, 10.0, 1000.0):
        K = torch.eye(N, dtype=F) + d
        found = check_stability(K, γ * K.roll(-1, 0), learning_rate=1e-4).self_excitation
        yield at_most(f"in truth stable at d = {d:g}: max Re eig(AD)", found, 0.0)


def td_errors() -> Iterator[Check]:
    """Random control problems: what is certified shrinks, what is called divergent grows."""
    count = {"certified": 0, "divergent": 0, "undecided": 0}
    excess, least_growth, α = 0.0, np.inf, 0.3
    for seed in range(80):
        problem = _RandomProblem(seed, is_tame=bool(seed % 2))
        w = np.random.default_rng(seed + 10_000).normal(size=8)
        found = problem.verdict(w, α)
        count[found.verdict] += 1
        if found.verdict == "certified":
            bound = found.certificate.bound
            v, β = bound.weights.numpy(), bound.weighted_modulus
            first = np.abs(problem.td_errors(w) / v).max()
            for t in range(1, 300):
                w = problem.update(w, α)
                excess = max(excess, np.abs(problem.td_errors(w) / v).max() / (β**t * first))
        if found.verdict == "divergent" and found.divergent_actions is not None:
            w, growth = problem.growing_direction(found.divergent_actions.numpy(), α)
            if w is not None:  # a real eigenvector, so that the growth is a plain power
                w = 1e6 * w  # far out, where the rewards no longer matter
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


def step_sizes() -> Iterator[Check]:
    """The largest stable step, and the critical step under sampling noise."""
    rng = np.random.default_rng(3)
    J = rng.normal(size=(4, 6))
    K = J @ J.T
    following = 0.5 * np.roll(K, 1, 0)
    report = check_stability(torch.tensor(K), torch.tensor(following), learning_rate=1e-3)
    μ = np.linalg.eigvals((K - following) / 4)
    formula = (2 * μ.real / np.abs(μ) ** 2).min()
    yield relative(
        "largest stable step is min 2 Re μ/|μ|²", report.max_learning_rate, formula, 1e-9
    )
    A = following - K
    spectral = crossing(lambda α: _radius(np.eye(4) + α / 4 * A) < 1, 1e-4, 10.0)
    yield relative("and there ρ(I + αAD) is 1", report.max_learning_rate, spectral, 1e-9)
    for batch in (1, 2, 4):
        found = critical_learning_rate(torch.tensor(A), batch)
        brute = crossing(lambda α, b=batch: _radius(_second_moment(A, α, b)) < 1, 1e-4, 10.0)
        yield relative(
            f"batch size {batch}: critical step, all batches enumerated", found, brute, 1e-6
        )


def averaged_target() -> Iterator[Check]:
    """A smoothed target on Baird's star: predicted and simulated growth."""
    star = baird(0.99)
    for τ, α in ((0.5, 0.01), (0.1, 0.01), (0.01, 0.01)):
        report = check_stability(
            torch.tensor(star.kernel),
            torch.tensor(star.successor_kernel(star.weights)),
            learning_rate=α,
            polyak=τ,
        )
        path = linear_q_learning(star, 25_000, α, polyak=τ) @ star.features.T
        size = np.abs(path).max(1)
        rate = (size[-1] / size[-5_000]) ** (1 / 4_999)
        yield close(f"τ = {τ}: growth per update", rate, report.spectral_radius, 1e-5)


def forecasts() -> Iterator[Check]:
    """Blow-up time of a two-layer network, and the shares of an eigenvalue."""
    u = v = 1.0
    α, γ, times, values = 1e-4, 0.99, [], []
    t = 0
    while u * v < 1e6:  # w → 2w with V(1) = uv and V(2) = 2uv: dQ/dt = 2(2γ − 1)Q²
        if t % 50 == 0:
            times.append(t * α)
            values.append(u * v)
        δ = (2 * γ - 1) * u * v
        u, v, t = u + α * δ * v, v + α * δ * u, t + 1
    predicted = 1 / (2 * (2 * γ - 1))
    early = len(times) // 2
    found = forecast_blow_up(torch.tensor(times[:early]), torch.tensor(values[:early]), depth=2)
    yield relative("two layers: crash time 1/(2(2γ−1)Q₀)", t * α, predicted, 5e-3)
    yield relative("forecast from its first half", found.time, predicted, 5e-3)
    star = baird(0.99)
    halves = [star.features[:, :6], star.features[:, 6:]]
    P = star.greedy_transitions(star.weights).toarray()
    blocks = {str(i): torch.tensor(h @ h.T) for i, h in enumerate(halves)}
    after = {str(i): torch.tensor(0.99 * P @ h @ h.T) for i, h in enumerate(halves)}
    shares = attribute(blocks, after).layers
    total = verdict(star, 0.01).self_excitation
    yield close(
        "Baird's star: layer shares sum to the eigenvalue", sum(shares.values()), total, 1e-12
    )


def _over_policies(mdp, step: np.ndarray) -> float:
    """Return max over deterministic policies of ‖I − G + γG P_π‖∞."""
    S, A = mdp.rewards.shape
    best = 0.0
    for policy in product(range(A), repeat=S):
        P = np.zeros((S * A, S * A))
        P[:, np.arange(S) * A + policy] = mdp.continuing.toarray()
        best = max(best, np.abs(np.eye(S * A) - step + mdp.discount * step @ P).sum(1).max())
    return best


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
        kept = ((self.after @ w).argmax(1) == actions).all()
        return (w if kept else -w), float(eigenvalues[top].real)


def _second_moment(A: np.ndarray, α: float, batch: int) -> np.ndarray:
    """Return E[M ⊗ M] of one update on a random batch, by enumeration."""
    N = len(A)
    total = np.zeros((N * N, N * N))
    batches = list(combinations(range(N), batch))
    for chosen in batches:
        D = np.zeros(N)
        D[list(chosen)] = 1 / batch
        M = np.eye(N) + α * A * D
        total += np.kron(M, M)
    return total / len(batches)


def _radius(matrix: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())
