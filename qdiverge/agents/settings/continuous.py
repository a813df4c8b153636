"""Every number of a run with continuous actions, with its unit; one configuration an algorithm.

Actions are in [−1, 1]^k inside the agent, so noise is in units of half the task's range.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from qdiverge.agents.machine.device import check_device_name
from qdiverge.agents.networks.activations import Activation
from qdiverge.agents.settings.checks import check_positives
from qdiverge.agents.settings.dqn import AlignWith, DeviceSettings, UpdateRule
from qdiverge.agents.settings.rules import OF_PREQN, Rule, adapted, check_effect
from qdiverge.checks import check_choice, check_discount, check_integer, check_share
from qdiverge.errors import InvalidValueError

MaximiserName = Literal["cem", "gradient"]


@dataclass(frozen=True)
class ContinuousConfig(DeviceSettings):
    """What all agents of continuous control have.

    Source, where nothing else is said: the published code of Fujimoto et al. (2018),
    arXiv:1802.09477, as it is today, whose numbers CleanRL took over.
    """

    environment: str = "Pendulum-v1"  # any Gymnasium task whose actions are a bounded box
    seed: int = 1
    total_steps: int = 1_000_000  # agent steps
    num_envs: int = 1  # environments stepped together

    discount: float = 0.99
    buffer_size: int = 1_000_000  # transitions
    batch_size: int = 256  # transitions
    learning_starts: int = 25_000  # agent steps of uniformly random actions before any update
    train_period: int = 1  # agent steps for each update

    hidden_sizes: tuple[int, ...] = (256, 256)  # width of each hidden layer, of all networks
    activation: Activation = "relu"  # or tanh, sin
    layer_norm: bool = False  # normalise before every activation
    learning_rate: float = 3e-4  # of the critics' Adam
    polyak: float | None = 0.005  # share of the way that targets move; None: no target networks

    algorithm: ClassVar[str] = ""  # whose settings these are, in run.json

    # what the trainer asks of every run, and how it is in these
    overlap: ClassVar[bool] = False  # act, then learn
    n_step: ClassVar[int] = 1
    prioritized: ClassVar[bool] = False
    priority_exponent: ClassVar[float] = 0.0
    priority_beta: ClassVar[float] = 1.0
    clip_rewards: ClassVar[bool] = False
    terminal_on_life_loss: ClassVar[bool] = False
    target_period: ClassVar[int] = 1

    rules: ClassVar[tuple[Rule, ...]] = ()
    positive: ClassVar[tuple[str, ...]] = ("learning_rate",)
    counts: ClassVar[dict[str, int]] = {
        "seed": 0,
        "total_steps": 1,
        "num_envs": 1,
        "buffer_size": 1,
        "batch_size": 1,
        "learning_starts": 0,
        "train_period": 1,
    }  # integers, and the least that each may be

    def __post_init__(self) -> None:
        check_discount(self.discount)
        check_device_name(self.device)
        check_choice("activation", self.activation, get_args(Activation))
        check_positives(self, self.positive)
        for name, least in self.counts.items():
            check_integer(name, getattr(self, name), least)
        if self.checkpoint_period is not None:
            check_integer("checkpoint_period", self.checkpoint_period, 0)
        if self.torch_threads is not None:
            check_integer("torch_threads", self.torch_threads, 1)
        if self.polyak is not None and not 0.0 < self.polyak <= 1.0:
            raise InvalidValueError("polyak must lie in (0, 1]", got=self.polyak)
        for width in self.hidden_sizes:
            check_integer("every one of hidden_sizes", width, 1)
        if self.layer_norm and not self.hidden_sizes:
            raise InvalidValueError(
                "layer_norm needs a hidden layer to normalise", got="hidden_sizes ()"
            )
        check_effect(self, self.rules)

    def adapted(self, **given: Any) -> Self:
        """This configuration with other settings; what they leave without effect is the default.

        Raises:
            InvalidValueError: as for a new one.
        """
        return adapted(self, self.rules, given)


@dataclass(frozen=True)
class ActorCriticConfig(ContinuousConfig):
    """What agents with an actor have."""

    polyak: float = 0.005  # share of the way that targets move towards their networks
    actor_learning_rate: float = 3e-4  # of the actor's Adam

    positive: ClassVar[tuple[str, ...]] = ("learning_rate", "actor_learning_rate")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.polyak is None:
            raise InvalidValueError(
                f"{self.algorithm} needs target networks, and polyak to move them",
                got="polyak None",
                remedy="Usual: 0.005. Without: ddpg with the update preqn, or qlearning.",
            )


@dataclass(frozen=True)
class DDPGConfig(ActorCriticConfig):
    """A run of DDPG, or of PreQN-DDPG: one critic, one actor, each with a slow copy.

    Source: Lillicrap et al. (2016), arXiv:1509.02971, with the numbers and the Gaussian noise of
    Fujimoto et al. (2018). The preset "paper" has the paper's own numbers.

    >>> DDPGConfig(update="preqn", polyak=0.01)
    Traceback (most recent call last):
    ...
    qdiverge.errors.InvalidValueError: polyak would have no effect: PreQN needs no target network;
    got 0.01. Take the update gradient, or leave polyak out.
    """

    exploration_noise: float = 0.1  # standard deviation
    update: UpdateRule = "gradient"  # preqn: the critic by the inverse kernel, no target networks
    preqn_learning_rate: float = 0.1  # of preqn: its largest α; 1 goes all the way to the targets
    preqn_alignment: float = 0.97  # η: the least cosine between ΔQ and the TD errors
    preqn_align_with: AlignWith = "reachable"  # what the damped solve asks for; or td_errors
    preqn_damping: float = 0.003  # added to K's eigenvalues, a share of the largest; 0: none

    algorithm: ClassVar[str] = "ddpg"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("polyak",),
            lambda c: c.update == "preqn",
            "PreQN needs no target network",
            "Take the update gradient",
        ),
        Rule(
            ("learning_rate",),
            lambda c: c.update == "preqn",
            "PreQN takes the place of the critic's optimiser",
            "Take the update gradient",
        ),
        OF_PREQN,
    )
    positive: ClassVar[tuple[str, ...]] = (
        *ActorCriticConfig.positive,
        "preqn_learning_rate",
    )

    def __post_init__(self) -> None:
        check_choice("update", self.update, get_args(UpdateRule))
        check_choice("preqn_align_with", self.preqn_align_with, get_args(AlignWith))
        super().__post_init__()
        check_deviation("exploration_noise", self.exploration_noise)
        for name in ("preqn_alignment", "preqn_damping"):
            check_share(name, getattr(self, name))


@dataclass(frozen=True)
class TD3Config(ActorCriticConfig):
    """A run of TD3: two critics, smoothed targets, an actor that learns at every second update.

    Source: Fujimoto et al. (2018), arXiv:1802.09477. The preset "paper" has the paper's numbers.
    """

    exploration_noise: float = 0.1  # standard deviation
    policy_noise: float = 0.2  # standard deviation of the noise on the target's action
    noise_clip: float = 0.5  # of that noise: its largest size
    policy_period: int = 2  # updates of the critics for each of the actor and the targets

    algorithm: ClassVar[str] = "td3"
    counts: ClassVar[dict[str, int]] = {**ActorCriticConfig.counts, "policy_period": 1}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("exploration_noise", "policy_noise", "noise_clip"):
            check_deviation(name, getattr(self, name))


@dataclass(frozen=True)
class SACConfig(ActorCriticConfig):
    """A run of SAC: two critics, a stochastic actor, a temperature that is tuned.

    Source: Haarnoja et al. (2018), arXiv:1812.05905, Table 1; learning_starts is CleanRL's.
    """

    learning_starts: int = 5_000  # agent steps of uniformly random actions before any update
    temperature: float = 1.0  # α of the entropy; where it is tuned, at first
    tune_temperature: bool = True  # so that the entropy comes to target_entropy
    target_entropy: float | None = None  # None: −k, k numbers in an action
    temperature_learning_rate: float = 3e-4  # of Adam on log α

    algorithm: ClassVar[str] = "sac"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("target_entropy", "temperature_learning_rate"),
            lambda c: not c.tune_temperature,
            "the temperature stays what it is",
            "Tune the temperature",
        ),
    )
    positive: ClassVar[tuple[str, ...]] = (
        *ActorCriticConfig.positive,
        "temperature",
        "temperature_learning_rate",
    )


@dataclass(frozen=True)
class QLearningConfig(ContinuousConfig):
    """A run of plain Q-learning with continuous actions: a critic, no actor, max_a Q by search.

    Source: QT-Opt (Kalashnikov et al. 2018, arXiv:1806.10293) for the cross-entropy method and its
    numbers, CAQL (Ryu et al. 2020, arXiv:1909.12397) for gradient ascent; the rest as TD3 has it.
    """

    exploration_noise: float = 0.1  # standard deviation
    maximiser: MaximiserName = "cem"  # the cross-entropy method; or gradient: ascent on Q
    cem_samples: int = 64  # actions drawn for each state and round
    cem_elites: int = 6  # the best of them, to which the next round is fitted
    cem_rounds: int = 2
    ascent_starts: int = 8  # actions from which to climb
    ascent_rounds: int = 10  # steps of each climb
    ascent_step: float = 0.3  # length of the first step; they shrink to nothing

    algorithm: ClassVar[str] = "qlearning"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("cem_samples", "cem_elites", "cem_rounds"),
            lambda c: c.maximiser != "cem",
            "only the cross-entropy method has it",
            "Take the maximiser cem",
        ),
        Rule(
            ("ascent_starts", "ascent_rounds", "ascent_step"),
            lambda c: c.maximiser != "gradient",
            "only gradient ascent has it",
            "Take the maximiser gradient",
        ),
    )
    positive: ClassVar[tuple[str, ...]] = ("learning_rate", "ascent_step")
    counts: ClassVar[dict[str, int]] = {
        **ContinuousConfig.counts,
        **dict.fromkeys(("cem_samples", "cem_elites", "cem_rounds"), 1),
        **dict.fromkeys(("ascent_starts", "ascent_rounds"), 1),
    }

    def __post_init__(self) -> None:
        check_choice("maximiser", self.maximiser, get_args(MaximiserName))
        super().__post_init__()
        check_deviation("exploration_noise", self.exploration_noise)
        if self.cem_elites > self.cem_samples:
            raise InvalidValueError(
                "cem_elites must be at most cem_samples",
                got=f"{self.cem_elites} of {self.cem_samples}",
            )


CONFIGS: dict[str, type[ContinuousConfig]] = {
    "ddpg": DDPGConfig,
    "td3": TD3Config,
    "sac": SACConfig,
    "qlearning": QLearningConfig,
}
"""By the name of their algorithm."""


def check_deviation(name: str, value: float) -> None:
    """Refuse what is no standard deviation of noise."""
    if not 0.0 <= value < float("inf"):
        raise InvalidValueError(f"{name} must be a finite number of at least 0", got=value)
