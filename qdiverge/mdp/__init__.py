"""The tabular and linear laboratory: problems known exactly, and their exact solvers."""

from qdiverge.mdp.bellman import optimal_backup, q_from_values, soft_maximum, soft_policy
from qdiverge.mdp.environment_view import as_environment
from qdiverge.mdp.exploration import epsilon_greedy
from qdiverge.mdp.fitted import fitted_q_iteration, fitted_value_iteration, is_averager
from qdiverge.mdp.linear_approximation import LinearProblem, td_matrix, td_solution
from qdiverge.mdp.linear_learning import linear_q_learning
from qdiverge.mdp.linear_program import linear_program
from qdiverge.mdp.linearised_network import linearisation_gap, linearise, train_network
from qdiverge.mdp.maximisation_bias import (
    estimator_bias,
    fitted_overestimation,
    overestimation_bound,
    uniform_overestimation,
)
from qdiverge.mdp.mdp_errors import (
    InvalidTransitionsError,
    NoProperPolicyError,
    NotConvergedError,
    UnreachableStartError,
)
from qdiverge.mdp.model import MDP
from qdiverge.mdp.operators import (
    kernel_operator,
    measure_contraction,
    sampled_operator,
    tabular_operator,
    worst_pair,
)
from qdiverge.mdp.policy_chain import induced_chain
from qdiverge.mdp.policy_iteration import modified_policy_iteration, policy_iteration
from qdiverge.mdp.policy_value import (
    discounted_visits,
    policy_values,
    visits_within,
)
from qdiverge.mdp.tabular_q_learning import q_learning, visit_rate
from qdiverge.mdp.transition_sampling import Sampler
from qdiverge.mdp.value_iteration import q_value_iteration, value_iteration

__all__ = [
    "MDP",
    "InvalidTransitionsError",
    "LinearProblem",
    "NoProperPolicyError",
    "NotConvergedError",
    "Sampler",
    "UnreachableStartError",
    "as_environment",
    "discounted_visits",
    "epsilon_greedy",
    "estimator_bias",
    "fitted_overestimation",
    "fitted_q_iteration",
    "fitted_value_iteration",
    "induced_chain",
    "is_averager",
    "kernel_operator",
    "linear_program",
    "linear_q_learning",
    "linearisation_gap",
    "linearise",
    "measure_contraction",
    "modified_policy_iteration",
    "optimal_backup",
    "overestimation_bound",
    "policy_iteration",
    "policy_values",
    "q_from_values",
    "q_learning",
    "q_value_iteration",
    "sampled_operator",
    "soft_maximum",
    "soft_policy",
    "tabular_operator",
    "td_matrix",
    "td_solution",
    "train_network",
    "uniform_overestimation",
    "value_iteration",
    "visit_rate",
    "visits_within",
    "worst_pair",
]
