"""Problems to train with hard target periods: known linear ones, random ones, small networks."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.kernel import NTK
from qdiverge.mdp import MDP, LinearProblem, induced_chain, linear_q_learning, train_network
from qdiverge.mdp.problems import baird, boyan_chain, garnet, kolter, w_to_2w

KNOWN_PROBLEMS = {
    "baird .85": lambda: baird(0.85),
    "baird .95": lambda: baird(0.95),
    "baird .99": lambda: baird(0.99),
    "w → 2w, first state": lambda: w_to_2w(0.9),
    "w → 2w, both states": lambda: w_to_2w(0.9, first_only=False),
    "kolter p=.5": lambda: kolter(0.5),
    "kolter p=.8": lambda: kolter(0.8),
    "boyan": boyan_chain,
}
SHARE = 0.3  # α in units of 1/λ_max(KD), so that regression on fixed targets is stable


@dataclass(frozen=True, eq=False)
class Case:
    """What to train, and the kernels that foresee it.

    Args:
        K: Kernel over all N pairs, at the start [N, N].
        successors: γ(1 − d)P_π K at the greedy actions of the start [N, N].
        rho: Sampling distribution [N].
        learning_rate: α.
        problem: The linear problem; or
        q_net: the network,
        mdp: on its MDP.
    """

    K: Tensor
    successors: Tensor
    rho: Tensor
    learning_rate: float
    problem: LinearProblem | None = None
    q_net: nn.Module | None = None
    mdp: MDP | None = None

    def train(self, num_updates: int, period: int) -> np.ndarray:
        """Train by expected updates; return Q of every pair after each period, [M + 1, N]."""
        if self.problem is not None:
            weights = linear_q_learning(
                self.problem, num_updates, self.learning_rate, target_period=period
            )
            return weights[::period] @ self.problem.features.T
        assert self.q_net is not None
        assert self.mdp is not None
        q = train_network(
            self.q_net, self.mdp, num_updates, self.learning_rate, self.rho.numpy(),
            target_period=period,
        )  # fmt: skip
        return q[::period].reshape(-1, len(self.rho))


def make(kind: str, name: str, seed: int) -> Case:
    """Make the case of a cell: kind "known", "random" or "network"."""
    if kind == "network":
        return small_network(name, seed)
    return linear(KNOWN_PROBLEMS[name]() if kind == "known" else random_chain(seed))


def linear(problem: LinearProblem) -> Case:
    """Make the case of a linear problem under its own kernel."""
    K, successors = problem.kernel, problem.successor_kernel(problem.weights)
    return _case(K, successors, problem.rho, problem=problem)


def random_chain(seed: int) -> LinearProblem:
    """Draw six states under a random policy, three random features, an uneven ρ."""
    rng = np.random.default_rng(seed)
    chain = induced_chain(garnet(6, 2, 2, 0.99, seed=seed), rng.integers(2, size=6))
    return LinearProblem(
        chain, rng.standard_normal((6, 3)), rng.dirichlet(np.full(6, 0.5)), rng.standard_normal(3)
    )


def small_network(activation: str, seed: int) -> Case:
    """Make a network of 16 hidden units on a random MDP of 6 states, seen in 3 numbers."""
    rng = np.random.default_rng(seed)
    drawn = garnet(6, 2, 2, 0.99, seed=seed)
    mdp = MDP(
        drawn.transitions, drawn.rewards, 0.99, drawn.start,
        observations=rng.standard_normal((6, 3)), terminal=drawn.terminal,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unit = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]()
        q_net = nn.Sequential(nn.Linear(3, 16), unit, nn.Linear(16, 2)).double()
    observations = torch.from_numpy(mdp.features.copy())
    K = NTK(q_net).kernel(observations, "all").detach().reshape(12, 12).numpy()
    greedy = q_net(observations).argmax(1).numpy()
    following = mdp.continuing @ K.reshape(6, 2, 12)[np.arange(6), greedy]  # [N, N]
    case = _case((K + K.T) / 2, mdp.discount * following, rng.dirichlet(np.full(12, 0.5)))
    return replace(case, q_net=q_net, mdp=mdp)


def _case(
    K: np.ndarray, successors: np.ndarray, rho: np.ndarray, problem: LinearProblem | None = None
) -> Case:
    root = np.sqrt(rho)
    largest = np.linalg.eigvalsh(root[:, None] * K * root)[-1]
    kernel, following, shares = (torch.from_numpy(np.array(x)) for x in (K, successors, rho))
    return Case(kernel, following, shares, float(SHARE / largest), problem)
