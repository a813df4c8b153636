"""The way from an exact MDP to an environment, without importing gymnasium before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdiverge.checks import check_switch
from qdiverge.errors import MissingExtraError
from qdiverge.mdp.model import MDP
from qdiverge.thing_checks import check_instance

if TYPE_CHECKING:
    from qdiverge.mdp.environment import MDPEnvironment


def as_environment(mdp: MDP, *, as_features: bool = False) -> MDPEnvironment:
    """Return a Gymnasium environment that plays ``mdp``.

    Args:
        mdp: the problem; its horizon truncates episodes.
        as_features: observe the features ``[k]`` (float32) instead of the state's number.

    Raises:
        MissingExtraError: gymnasium is not installed.
        InvalidTypeError, InvalidValueError: ``mdp`` is none, or ``as_features`` no switch.
    """
    check_instance("mdp", mdp, MDP)
    check_switch("as_features", as_features)
    try:
        from qdiverge.mdp.environment import MDPEnvironment
    except ImportError as error:
        raise MissingExtraError(
            "a Gymnasium view needs gymnasium",
            got="it is not installed",
            remedy='pip install "qdiverge[atari]", or pip install gymnasium.',
        ) from error
    return MDPEnvironment(mdp, as_features=as_features)
