"""The tabular and linear laboratory: problems known exactly, and their exact solvers."""

from qdiverge.mdp.bellman import optimal_backup, q_from_values, soft_maximum, soft_policy
from qdiverge.mdp.combine import disjoint_union, induced_chain
from qdiverge.mdp.errors import (
    InvalidTransitionsError,
    NoProperPolicyError,
    NotConvergedError,
    UnreachableStartError,
)
from qdiverge.mdp.evaluation import (
    discounted_visits,
    policy_values,
    stationary_distribution,
    visits_within,
)
from qdiverge.mdp.exploration import boltzmann, epsilon_greedy
from qdiverge.mdp.fitted import fitted_q_iteration, fitted_value_iteration, is_averager
from qdiverge.mdp.linear import LinearProblem, td_matrix, td_solution
from qdiverge.mdp.linear_learning import linear_q_learning, sampled_linear_q_learning
from qdiverge.mdp.linear_program import linear_program
from qdiverge.mdp.model import MDP
from qdiverge.mdp.policy_iteration import modified_policy_iteration, policy_iteration
from qdiverge.mdp.q_learning import QLearningRun, q_learning, visit_rate
from qdiverge.mdp.sampling import Sampler
from qdiverge.mdp.toy_text import from_gymnasium
from qdiverge.mdp.value_iteration import Solution, q_value_iteration, value_iteration
from qdiverge.mdp.views import as_environment

__all__ = [
    "MDP",
    "InvalidTransitionsError",
    "LinearProblem",
    "NoProperPolicyError",
    "NotConvergedError",
    "QLearningRun",
    "Sampler",
    "Solution",
    "UnreachableStartError",
    "as_environment",
    "boltzmann",
    "discounted_visits",
    "disjoint_union",
    "epsilon_greedy",
    "fitted_q_iteration",
    "fitted_value_iteration",
    "from_gymnasium",
    "induced_chain",
    "is_averager",
    "linear_program",
    "linear_q_learning",
    "modified_policy_iteration",
    "optimal_backup",
    "policy_iteration",
    "policy_values",
    "q_from_values",
    "q_learning",
    "q_value_iteration",
    "sampled_linear_q_learning",
    "soft_maximum",
    "soft_policy",
    "stationary_distribution",
    "td_matrix",
    "td_solution",
    "value_iteration",
    "visit_rate",
    "visits_within",
]
