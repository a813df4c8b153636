"""What an oracle knows: Q*, exact backups, exact returns, exact visits, many seeds at once."""

from dataclasses import dataclass

import numpy as np

from qdiverge.mdp import MDP, soft_maximum, soft_policy, value_iteration, visits_within
from qdiverge.mdp.policy_chain import policy_transitions


@dataclass(frozen=True)
class Oracle:
    """An MDP with its solution; tables of Q are ``[B, S, A]``."""

    mdp: MDP
    temperature: float
    q_star: np.ndarray  # [S, A]
    expert: float  # expected return of the soft-optimal policy within the horizon
    random: float  # and of the uniform policy

    @classmethod
    def of(cls, mdp: MDP, temperature: float) -> "Oracle":
        """Solve the problem."""
        solution = value_iteration(mdp, 1e-8, temperature=temperature)
        uniform = np.full(mdp.rewards.shape, 1 / mdp.num_actions)
        expert, random = (_return(mdp, policy) for policy in (solution.policy, uniform))
        return cls(mdp, temperature, solution.q, expert, random)

    def backup(self, q: np.ndarray) -> np.ndarray:
        """Return T*Q, ``[B, S, A]``."""
        values = soft_maximum(q, self.temperature)  # [B, S]
        following = (self.mdp.continuing @ values.T).T.reshape(q.shape)
        return self.mdp.rewards + self.mdp.discount * following

    def visits(self, q: np.ndarray) -> np.ndarray:
        """Return the visits of the policy of each table within the horizon, ``[B, S, A]``."""
        policies = soft_policy(q, self.temperature)
        horizon = self.mdp.horizon or 50
        return np.stack([visits_within(self.mdp, policy, horizon) for policy in policies])

    def returns(self, q: np.ndarray) -> np.ndarray:
        """Return the expected returns ``[B]``: 0 is the uniform policy, 1 the soft-optimal one."""
        returns = np.array([_return(self.mdp, p) for p in soft_policy(q, self.temperature)])
        return (returns - self.random) / (self.expert - self.random)


def _return(mdp: MDP, policy: np.ndarray) -> float:
    """Return the expected sum of rewards within the horizon."""
    forward = policy_transitions(mdp, policy).T.tocsr()  # [S', S]
    rewards = (policy * mdp.rewards).sum(1)
    alive = (~mdp.terminal).astype(float)
    now, total = mdp.start * alive, 0.0
    for _ in range(mdp.horizon or 50):
        total += float(now @ rewards)
        now = (forward @ now) * alive
    return total
