"""What can be wrong with a Markov decision process, each with its own name."""

from qdiverge.errors import InvalidValueError, QDivergeError


class InvalidTransitionsError(InvalidValueError):
    """P is no table of probabilities: a negative entry, or a row that does not sum to 1."""


class NoProperPolicyError(InvalidValueError):
    """γ = 1 where some state never reaches a terminal one: the values are not finite."""


class UnreachableStartError(InvalidValueError):
    """A start that no episode can begin at: inside a wall, cut off from the goal, or terminal."""


class NotConvergedError(QDivergeError, RuntimeError):
    """An exact solver that spent its iterations before it reached the tolerance."""
