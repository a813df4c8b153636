"""Every number of a run with continuous actions, with its unit; one configuration an algorithm.

Actions are in [−1, 1]^k inside the agent, so noise is in units of half the task's range.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from qdiverge.agents.networks.activations import Activation
from qdiverge.agents.settings.agent_config import AgentConfig, LearningSettings, TaskSettings
from qdiverge.agents.settings.preqn_settings import OF_PREQN, PreQNSettings
from qdiverge.agents.settings.ranges import Count, Deviation, Discount, Natural, Positive, StepShare
from qdiverge.agents.settings.rules import UnreadRule
from qdiverge.errors import InvalidValueError


@dataclass(frozen=True)
class BoxTaskSettings(TaskSettings):
    """What is played, and for how long."""

    environment: str = "Pendulum-v1"  # any Gymnasium task whose actions are a bounded box
    seed: Natural = 1
    total_steps: Count = 1_000_000  # agent steps
    num_envs: Count = 1  # environments stepped together


@dataclass(frozen=True)
class LargeReplaySettings(LearningSettings):
    """What is learnt from, and how often."""

    discount: Discount = 0.99
    buffer_size: Count = 1_000_000  # transitions
    batch_size: Count = 256  # transitions
    learning_starts: Natural = 25_000  # agent steps of uniformly random actions before any update
    train_period: Count = 1  # agent steps for each update


@dataclass(frozen=True)
class CriticSettings:
    """What stands for Q, and how it moves."""

    hidden_sizes: tuple[Count, ...] = (256, 256)  # width of each hidden layer, of all networks
    activation: Activation = "relu"  # or tanh, sin
    layer_norm: bool = False  # normalise before every activation
    learning_rate: Positive = 3e-4  # of the critics' Adam
    polyak: StepShare | None = 0.005  # share of the way that targets move; None: no target networks


@dataclass(frozen=True)
class ActorSettings:
    """How the actor moves."""

    actor_learning_rate: Positive = 3e-4  # of the actor's Adam


@dataclass(frozen=True)
class NoiseSettings:
    """How the behaviour policy departs from the one that is evaluated."""

    exploration_noise: Deviation = 0.1  # standard deviation


@dataclass(frozen=True)
class SmoothingSettings:
    """What sets TD3 apart from DDPG."""

    policy_noise: Deviation = 0.2  # standard deviation of the noise on the target's action
    noise_clip: Deviation = 0.5  # of that noise: its largest size
    policy_period: Count = 2  # updates of the critics for each of the actor and the targets


@dataclass(frozen=True)
class EarlyReplaySettings(LargeReplaySettings):
    """What is learnt from, and how often."""

    learning_starts: Natural = 5_000  # agent steps of uniformly random actions before any update


@dataclass(frozen=True)
class EntropySettings:
    """How much the entropy of the policy is worth."""

    temperature: Positive = 1.0  # α_H, of the entropy; where it is tuned, at first
    tune_temperature: bool = True  # so that the entropy comes to target_entropy
    target_entropy: float | None = None  # None: −k, k numbers in an action
    temperature_learning_rate: Positive = 3e-4  # of Adam on log α


@dataclass(frozen=True)
class SearchSettings:
    """How the action of the largest Q is found."""

    maximiser: Literal["cem", "gradient"] = "cem"  # the cross-entropy method; or ascent on Q
    cem_samples: Count = 64  # actions drawn for each state and round
    cem_elites: Count = 6  # the best of them, to which the next round is fitted
    cem_rounds: Count = 2
    ascent_starts: Count = 8  # actions from which to climb
    ascent_rounds: Count = 10  # steps of each climb
    ascent_step: Positive = 0.3  # length of the first step; they shrink to nothing


@dataclass(frozen=True)
class ContinuousConfig(CriticSettings, LargeReplaySettings, BoxTaskSettings, AgentConfig):
    """What all agents of continuous control have.

    Source, where nothing else is said: the published code of Fujimoto et al. (2018),
    arXiv:1802.09477, as it is today, whose numbers CleanRL took over.
    """

    is_continuous: ClassVar[bool] = True

    def check_together(self) -> None:
        """Refuse settings that contradict each other."""
        if self.layer_norm and not self.hidden_sizes:
            raise InvalidValueError(
                "layer_norm needs a hidden layer to normalise", got="hidden_sizes ()"
            )


@dataclass(frozen=True)
class ActorCriticConfig(ActorSettings, ContinuousConfig):
    """What agents with an actor have."""

    def check_together(self) -> None:
        """Refuse settings that contradict each other."""
        super().check_together()
        if self.polyak is None:
            raise InvalidValueError(
                f"{self.algorithm} needs target networks, and polyak to move them",
                got="polyak None",
                remedy="Usual: 0.005. Without: ddpg with the update preqn, or qlearning.",
            )


@dataclass(frozen=True)
class DDPGConfig(PreQNSettings, NoiseSettings, ActorCriticConfig):
    """A run of DDPG, or of PreQN-DDPG: one critic, one actor, each with a slow copy.

    Source: Lillicrap et al. (2016), arXiv:1509.02971, with the numbers and the Gaussian noise of
    Fujimoto et al. (2018). The preset "paper" has the paper's own numbers.

    >>> DDPGConfig(update="preqn", polyak=0.01)
    Traceback (most recent call last):
    ...
    qdiverge.errors.InvalidValueError: polyak would have no effect: PreQN needs no target network;
    got 0.01. Take the update gradient, or leave polyak out.
    """

    algorithm: ClassVar[str] = "ddpg"
    unread = (
        UnreadRule(
            ("polyak",),
            "PreQN needs no target network",
            "Take the update gradient",
            lambda c: c.is_preqn,
        ),
        UnreadRule(
            ("learning_rate",),
            "PreQN takes the place of the critic's optimiser",
            "Take the update gradient",
            lambda c: c.is_preqn,
        ),
        OF_PREQN,
    )


@dataclass(frozen=True)
class TD3Config(SmoothingSettings, NoiseSettings, ActorCriticConfig):
    """A run of TD3: two critics, smoothed targets, an actor that learns at every second update.

    Source: Fujimoto et al. (2018), arXiv:1802.09477. The preset "paper" has the paper's numbers.
    """

    algorithm: ClassVar[str] = "td3"


@dataclass(frozen=True)
class SACConfig(EntropySettings, EarlyReplaySettings, ActorCriticConfig):
    """A run of SAC: two critics, a stochastic actor, a temperature that is tuned.

    Source: Haarnoja et al. (2018), arXiv:1812.05905, Table 1; learning_starts is CleanRL's.
    """

    algorithm: ClassVar[str] = "sac"
    unread = (
        UnreadRule(
            ("target_entropy", "temperature_learning_rate"),
            "the temperature stays what it is",
            "Tune the temperature",
            lambda c: not c.tune_temperature,
        ),
    )


@dataclass(frozen=True)
class QLearningConfig(SearchSettings, NoiseSettings, ContinuousConfig):
    """A run of plain Q-learning with continuous actions: a critic, no actor, max_a Q by search.

    Source: QT-Opt (Kalashnikov et al. 2018, arXiv:1806.10293) for the cross-entropy method and its
    numbers, CAQL (Ryu et al. 2020, arXiv:1909.12397) for gradient ascent; the rest as TD3 has it.
    """

    algorithm: ClassVar[str] = "qlearning"
    unread = (
        UnreadRule(
            ("cem_samples", "cem_elites", "cem_rounds"),
            "only the cross-entropy method has it",
            "Take the maximiser cem",
            lambda c: c.maximiser != "cem",
        ),
        UnreadRule(
            ("ascent_starts", "ascent_rounds", "ascent_step"),
            "only gradient ascent has it",
            "Take the maximiser gradient",
            lambda c: c.maximiser != "gradient",
        ),
    )

    def check_together(self) -> None:
        """Refuse settings that contradict each other."""
        super().check_together()
        if self.cem_elites > self.cem_samples:
            raise InvalidValueError(
                "cem_elites must be at most cem_samples",
                got=f"{self.cem_elites} of {self.cem_samples}",
            )
