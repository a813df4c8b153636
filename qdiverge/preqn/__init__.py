"""PreQN: the Q-learning update preconditioned by the inverse kernel (Achiam et al. 2019)."""

from qdiverge.preqn.least_squares import LeastSquares, solve
from qdiverge.preqn.step import PreQN, PreQNStep, cosine

__all__ = ["LeastSquares", "PreQN", "PreQNStep", "cosine", "solve"]
