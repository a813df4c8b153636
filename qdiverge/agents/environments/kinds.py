"""The environments that there are: Atari games, and tasks, MinAtar's among them."""

from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.environments.minatar import resolve_minatar
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.settings.rules import EnvironmentKind

Environments = AtariEnvironments | TaskEnvironments


def environment_kind(environment: str) -> EnvironmentKind:
    """Return what kind of environment a name means.

    Raises:
        InvalidValueError: none, but it is close to a task's name.
        MissingExtraError: gymnasium is not installed.

    >>> [environment_kind(name) for name in ("pong", "MinAtar/Breakout-v1", "CartPole-v1")]
    ['atari', 'minatar', 'task']
    """
    task = find_task(environment)
    if task is None:
        return "atari"
    return "task" if resolve_minatar(task) is None else "minatar"
