"""The counterexamples of the literature as matrices, and random problems; float64 throughout."""

from dataclasses import dataclass

import torch

from qdiverge.theory.stability import check_stability

F = torch.float64


@dataclass(frozen=True)
class LinearProblem:
    """Linear Q-learning on N sampled pairs: Q = Φθ, successors' features per action."""

    features: torch.Tensor  # Φ [N, P]
    successor_features: torch.Tensor  # [N, A, P]
    rho: torch.Tensor  # [N]
    discounts: torch.Tensor  # γ(1 − d_i) [N]
    rewards: torch.Tensor  # [N]

    @property
    def K(self):  # noqa: N802
        return self.features @ self.features.T

    @property
    def successors(self):
        weighted = self.discounts[:, None, None] * self.successor_features
        return weighted @ self.features.T

    def greedy(self, weights):
        return (self.successor_features @ weights).argmax(1)

    def td_errors(self, weights, target_weights=None):
        target = weights if target_weights is None else target_weights
        best = (self.successor_features @ target).amax(1)
        return self.rewards + self.discounts * best - self.features @ weights

    def update(self, weights, learning_rate, target_weights=None):
        """The expected semi-gradient update."""
        gradient = self.features.T @ (self.rho * self.td_errors(weights, target_weights))
        return weights + learning_rate * gradient


def baird(discount=0.99):
    """Baird's star: v(i) = 2w_i + w_8 (i ≤ 6), v(7) = w_7 + 2w_8; the target policy goes to 7."""
    features = torch.zeros(7, 8, dtype=F)
    features[:6, :6] = 2 * torch.eye(6, dtype=F)
    features[:6, 7] = 1
    features[6, 6], features[6, 7] = 1, 2
    return LinearProblem(
        features=features,
        successor_features=features[6].expand(7, 1, 8).clone(),
        rho=torch.full((7,), 1 / 7, dtype=F),
        discounts=torch.full((7,), discount, dtype=F),
        rewards=torch.zeros(7, dtype=F),
    )


BAIRD_START = torch.tensor([1, 1, 1, 1, 1, 1, 10, 1], dtype=F)


def chain(features, P, rho, discount):
    """On a Markov chain: K = ΦΦᵀ and K' = γPK, the expected successors."""
    K = features @ features.T
    return K, discount * P @ K, rho


def kolter(p, discount=0.99, epsilon=0.0):
    """Two states, P = ½·1, one feature (1, 1.05 + ε), D = diag(p, 1 − p)."""
    features = torch.tensor([[1.0], [1.05 + epsilon]], dtype=F)
    P = torch.full((2, 2), 0.5, dtype=F)
    return chain(features, P, torch.tensor([p, 1 - p], dtype=F), discount)


def boyan():
    """Boyan's chain: 13 states 12 … 0, V(s) = −2s, exact with θ = (−24, −16, −8, 0), γ = 1."""
    states = torch.arange(12, -1, -1, dtype=F)
    features = (1 - (states[:, None] / 4 - torch.tensor([3.0, 2, 1, 0], dtype=F)).abs()).clamp(
        min=0
    )
    P = torch.zeros(13, 13, dtype=F)
    rewards = torch.full((13,), -3.0, dtype=F)
    for row in range(11):
        P[row, row + 1] = P[row, row + 2] = 0.5
    P[11, 12], rewards[11], rewards[12] = 1.0, -2.0, 0.0
    return features, P, rewards


def boyan_weights(P):
    """Expected visits from state 12 to the end, normalised: the on-policy distribution."""
    start = torch.zeros(13, dtype=F)
    start[0] = 1
    visits = torch.linalg.solve(torch.eye(13, dtype=F) - P.T, start)
    return visits / visits.sum()


def equicorrelated(size, d, discount):
    """K = I + d·11ᵀ with the cyclic successor."""
    K = torch.eye(size, dtype=F) + d
    return K, discount * K.roll(-1, 0)


def random_problem(seed, *, size=5, num_actions=2, num_features=8, scale=1.0, discount=0.9):
    """Random features; ``scale`` shrinks the successors', from harmless to explosive."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=F)

    rho = torch.rand(size, generator=generator, dtype=F) + 0.05
    terminated = torch.rand(size, generator=generator) < 0.2
    features = normal(size, num_features)
    noise = normal(size, num_actions, num_features)
    return LinearProblem(
        features=features,
        successor_features=scale * (0.5 * features[:, None, :] + 0.5 * noise),
        rho=rho / rho.sum(),
        discounts=discount * (~terminated).to(F),
        rewards=normal(size),
    )


def check(problem, weights=None, learning_rate=0.01, **options):
    """The verdict on a problem, at the greedy actions of some weights."""
    greedy = None if weights is None else problem.greedy(weights)
    return check_stability(
        problem.K, problem.successors, greedy, problem.rho, learning_rate, **options
    )
