"""Under which rules an agent is evaluated: published protocols, every number with its source."""

from dataclasses import dataclass, replace

from qdiverge.checks import check_choice, check_integer, check_share
from qdiverge.errors import InvalidValueError

FRAMES_A_MINUTE = 3_600  # of the emulator, at 60 Hz
RANDOM_AGENT_SKIP = 6  # emulator frames in a step of the random agent: 10 Hz (Mnih et al. 2015)


@dataclass(frozen=True)
class Protocol:
    """The rules of an evaluation; a result file carries all of them.

    Args:
        name: What it is called on the command line.
        source: Where its numbers come from.
        episodes: How many are played.
        epsilon: ε of the policy played: a uniform action with that probability, the greedy one
            otherwise. Noisy networks play without their noise.
        max_episode_frames: Emulator frames after which an episode is cut short; None: as in the
            run, outside Atari.
        most_noops: An opening has at most so many no-ops; None: as in the run.
        repeat_action_probability: Sticky actions; None: as in the run.
        training_window: Episodes at the end of training whose mean score is reported, too; None:
            none.
        departures: What is not as in the source.
    """

    name: str
    source: str
    episodes: int
    epsilon: float
    max_episode_frames: int | None
    most_noops: int | None
    repeat_action_probability: float | None
    training_window: int | None = None
    departures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_integer("episodes", self.episodes, 1)
        check_share("epsilon", self.epsilon)

    @property
    def is_atari(self) -> bool:
        """Return whether it is about Atari games."""
        return self.max_episode_frames is not None

    def changed(self, *, episodes: int | None = None, epsilon: float | None = None) -> "Protocol":
        """Return the same with other numbers, which it names as departures.

        Args:
            episodes: None: as they are.
            epsilon: None: as it is.

        >>> NATURE.changed(episodes=3).departures[-1]
        '3 instead of 30 episodes'
        """
        new = replace(
            self,
            episodes=self.episodes if episodes is None else episodes,
            epsilon=self.epsilon if epsilon is None else epsilon,
        )
        departures = list(self.departures)
        if new.episodes != self.episodes:
            departures.append(f"{new.episodes} instead of {self.episodes} episodes")
        if new.epsilon != self.epsilon:
            departures.append(f"ε = {new.epsilon:g} instead of {self.epsilon:g}")
        return replace(new, departures=tuple(departures))


_OPENING = (
    "where a game waits for the fire button, the emulator's vector environment presses it once "
    "in the opening"
)

NATURE = Protocol(
    name="nature",
    source="Mnih et al. (2015), doi:10.1038/nature14236, Methods: Evaluation procedure; Extended "
    "Data Table 1 (no-ops)",
    episodes=30,
    epsilon=0.05,
    max_episode_frames=5 * FRAMES_A_MINUTE,
    most_noops=30,
    repeat_action_probability=0.0,  # sticky actions came later
    departures=(_OPENING,),
)

MACHADO = Protocol(
    name="machado",
    source="Machado et al. (2018), arXiv:1709.06009: sticky actions, episodes "
    "end with the game, performance while learning over the last 100 episodes",
    episodes=100,
    epsilon=0.01,  # what its DQN explores with in the end
    max_episode_frames=5 * FRAMES_A_MINUTE,
    most_noops=0,  # sticky actions take the place of random openings
    repeat_action_probability=0.25,
    training_window=100,
    departures=(
        "the paper reports the training episodes alone (training_episodes here); the episodes "
        "played with the network as it is stand beside them",
        "the actions that the run trained with (the preset machado: all 18); four frames a step "
        "for five",
        _OPENING,
    ),
)

TASK = Protocol(
    name="task",
    source="ours: greedy episodes in the environment that the run trained in",
    episodes=100,
    epsilon=0.0,
    max_episode_frames=None,
    most_noops=None,
    repeat_action_probability=None,
)

PROTOCOLS: dict[str, Protocol] = {one.name: one for one in (NATURE, MACHADO, TASK)}


def find_protocol(name: str | None, *, is_atari: bool, environment: str) -> Protocol:
    """Return the protocol called ``name``; by default Nature's for an Atari game, else the task's.

    Args:
        name: One of ``PROTOCOLS``, or None.
        is_atari: Whether the environment is an Atari game.
        environment: Its name, for the message.

    Raises:
        InvalidValueError: there is no such protocol, or it is not for such an environment.

    >>> find_protocol(None, is_atari=False, environment="CartPole-v1").name
    'task'
    """
    if name is None:
        return NATURE if is_atari else TASK
    protocol = PROTOCOLS[check_choice("protocol", name, PROTOCOLS)]
    if protocol.is_atari != is_atari:
        raise InvalidValueError(
            f"the protocol {name} is for {'tasks outside Atari' if is_atari else 'Atari games'}",
            got=f"it with {environment}",
            remedy=f"Take the protocol {'nature or machado' if is_atari else 'task'}.",
        )
    return protocol
