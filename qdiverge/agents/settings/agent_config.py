"""The settings that every agent has, and what every configuration can do."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from typing_extensions import Self

from qdiverge.agents.settings.ranges import Count, Device, Discount, Natural, Threads, check_ranges
from qdiverge.agents.settings.rules import EnvironmentKind, UnreadRule, adapted, check_effect

LEAST_REPLAY = 1_000  # transitions of each environment, where nothing is learnt from them


@dataclass(frozen=True)
class TaskSettings:
    """What is played, and for how long.

    Attributes:
        environment: A Gymnasium task, CartPole-v1 or module:Task-v0; with discrete actions also an
            Atari game, ALE/Pong-v5, or MinAtar/Breakout-v1.
        seed: Of everything that is drawn.
        total_steps: Agent steps: one action in one environment each.
        num_envs: Environments stepped together.
    """

    environment: str
    seed: Natural
    total_steps: Count
    num_envs: Count


@dataclass(frozen=True)
class LearningSettings:
    """What is learnt from, and how often.

    Attributes:
        discount: γ.
        buffer_size: Transitions that the replay holds.
        batch_size: Transitions of an update.
        learning_starts: Agent steps of uniformly random play before the first update.
        train_period: Agent steps for each update.
    """

    discount: Discount
    buffer_size: Count
    batch_size: Count
    learning_starts: Natural
    train_period: Count


@dataclass(frozen=True)
class DeviceSettings:
    """Where the work is done, and how often it is saved."""

    device: Device = "cpu"  # of the learner and its replay: cpu, cuda or cuda:N
    checkpoint_period: Natural | None = 250_000  # agent steps between checkpoints; at each, whether
    # or not there is a folder to write to, the environments restart; None or 0: never (run_loop.py)
    torch_threads: Threads | None = 1  # of a CPU update; None leaves PyTorch's setting alone


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn from a replay.

    Attributes:
        batch_size: N, transitions.
        discount: γ.
        n_step: Steps of reward before the bootstrap.
        clip_rewards: Whether to [−1, 1].
        priority_exponent: ω of prioritised replay; None: uniform.
        priority_beta: β of the importance weights at first; 1 after ``total_steps``.
        total_steps: Agent steps of the run.
    """

    batch_size: int
    discount: float
    n_step: int = 1
    clip_rewards: bool = False
    priority_exponent: float | None = None
    priority_beta: float = 1.0
    total_steps: int = 1


@dataclass(frozen=True)
class AgentConfig(DeviceSettings, LearningSettings, TaskSettings):
    """All settings of a run; each algorithm has a configuration of its own.

    It is put together from groups of settings, dataclasses whose annotations say what each may be.

    Raises:
        InvalidValueError: a setting is out of its range, two do not go together, or one was given
            that nothing reads.
    """

    algorithm: ClassVar[str]  # whose settings these are, in run.json
    is_continuous: ClassVar[bool]  # whether actions are
    terminal_on_life_loss: ClassVar[bool] = False  # of Atari games alone
    unread: ClassVar[tuple[UnreadRule, ...]] = ()  # what other settings switch off
    unread_in: ClassVar[Mapping[EnvironmentKind, tuple[UnreadRule, ...]]] = {}

    def __post_init__(self) -> None:
        check_ranges(self)
        self.check_together()
        check_effect(self, self.unread)

    def check_together(self) -> None:
        """Refuse settings that contradict each other.

        Raises:
            InvalidValueError: they do; the reason and the remedy are said.
        """

    def adapted(self, kind: EnvironmentKind | None = None, /, **given: Any) -> Self:
        """Return this configuration with other settings; what they switch off is the default.

        Args:
            kind: Of environment; None: what only one kind reads is kept.
            given: Settings by name; kept, and refused where they have no effect themselves.

        Raises:
            InvalidValueError: as for a new one.
        """
        here = self.unread_in.get(kind, ()) if kind else ()
        return adapted(self, (*self.unread, *here), given)

    def settled(self, is_atari: bool) -> Self:
        """Return this configuration with what it leaves to the environments filled in."""
        del is_atari
        return self

    def small(self, num_envs: int = 1, **others: Any) -> Self:
        """Return this configuration with so many environments and next to no replay.

        For whoever plays, and learns nothing from it.

        Args:
            num_envs: Environments.
            others: Further settings by name.
        """
        size = num_envs * max(LEAST_REPLAY, 4 * self.sampling.n_step)
        return dataclasses.replace(self, num_envs=num_envs, buffer_size=size, **others)

    def as_json(self) -> dict[str, Any]:
        """Return the settings and whose they are; see ``saved.config_from_json``."""
        return {"algorithm": self.algorithm} | dataclasses.asdict(self)

    @property
    def sampling(self) -> Sampling:
        """Return how batches are drawn: uniformly, a step at a time."""
        return Sampling(self.batch_size, self.discount)

    @property
    def updates_per_copy(self) -> int:
        """Return the updates between two copies into the target network; 1 where none is copied."""
        return 1

    @property
    def is_preqn(self) -> bool:
        """Return whether PreQN moves the Q-network, in place of an optimiser."""
        return False


def groups_of(kind: type[AgentConfig]) -> list[type]:
    """Return the groups that a configuration is put together from, where the work is done last.

    >>> [group.__name__ for group in groups_of(AgentConfig)]
    ['TaskSettings', 'LearningSettings', 'DeviceSettings']
    """
    groups = [
        base
        for base in reversed(kind.__mro__)
        if dataclasses.is_dataclass(base) and not issubclass(base, AgentConfig)
    ]
    own = [group for group in groups if sum(issubclass(other, group) for other in groups) == 1]
    return sorted(own, key=lambda group: issubclass(group, DeviceSettings))
