"""Every number of a DQN run, with its unit."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from qdiverge.agents.machine.arithmetic import Precision
from qdiverge.agents.machine.device import check_device_name
from qdiverge.agents.settings.checks import check_ranges, check_together
from qdiverge.agents.settings.rules import (
    ENVIRONMENT_RULES,
    SETTING_RULES,
    EnvironmentKind,
    adapted,
    check_effect,
)
from qdiverge.checks import check_choice
from qdiverge.td import Bootstrap

Loss = Literal["huber", "mse"]
Exploration = Literal["epsilon_greedy", "boltzmann"]
UpdateRule = Literal["gradient", "preqn"]
AlignWith = Literal["td_errors", "reachable"]
Optimizer = Literal["adam", "rmsprop", "sgd", "nature_rmsprop"]
LOSSES: tuple[str, ...] = get_args(Loss)
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
EXPLORATIONS: tuple[str, ...] = get_args(Exploration)


@dataclass(frozen=True)
class TaskSettings:
    """What is played, and for how long."""

    environment: str = "ALE/Pong-v5"  # or CartPole-v1, MinAtar/Breakout-v1, module:Task-v0
    seed: int = 1
    total_steps: int = 1_500_000  # agent steps
    num_envs: int = 8  # environments stepped together
    repeat_action_probability: float = 0.25  # Atari, MinAtar: sticky actions (Machado et al. 2018)
    max_episode_frames: int = 108_000  # Atari, MinAtar: frames, then the episode is truncated
    noop_max: int = 30  # Atari: an opening has fewer no-ops than this
    full_action_space: bool = False  # Atari: all 18 actions, also those that the game does not know
    clip_rewards: bool | None = None  # to [-1, 1], for the learner only; None: on Atari alone
    terminal_on_life_loss: bool = False  # Atari: a lost life bootstraps nothing; the game goes on


@dataclass(frozen=True)
class LearningSettings:
    """What is learnt from, and how often."""

    discount: float = 0.99
    buffer_size: int = 100_000  # transitions, on Atari 7,063 bytes each
    batch_size: int = 32  # transitions
    learning_starts: int = 10_000  # agent steps of uniformly random play before the first update
    train_period: int = 4  # agent steps for each update

    n_step: int = 1  # steps of reward before the bootstrap; fewer where the episode ends
    prioritized: bool = False  # by TD error (Schaul et al. 2016), or by a distribution's loss
    priority_exponent: float = 0.6  # 0: uniform; .6 and .4: Schaul et al. (2016), Table 3
    priority_beta: float = 0.4  # of the importance weights at first; 1 at the end of the run


@dataclass(frozen=True)
class TargetSettings:
    """What the targets bootstrap from."""

    bootstrap: Bootstrap | None = None  # None: as the next two say; see targets.py
    double: bool = False  # double Q-learning (van Hasselt et al. 2016): bootstrap "double_q"
    use_target_network: bool = True  # False: bootstrap "q", from the network that learns
    target_period: int = 1_000  # agent steps between copies into the target network
    polyak: float | None = None  # share of the way that the target moves after every update


@dataclass(frozen=True)
class NetworkSettings:
    """What stands for Q."""

    dueling: bool = False  # value and advantage streams (Wang et al. 2016)
    layer_norm: bool = False  # normalise before every hidden rectifier
    noisy: bool = False  # explore by noisy weights (Fortunato et al. 2018): no ε while learning
    hidden_sizes: tuple[int, ...] = (120, 84)  # of the MLP, where observations are vectors
    width_factor: float = 1.0  # times every hidden width of the networks that read images
    optimistic_value: float | None = None  # Q of every action at first; None: near 0

    distributional: bool = False  # learn the distribution of returns: C51 (Bellemare et al. 2017)
    num_atoms: int = 51  # returns that it tells apart, evenly spaced
    value_min: float = -10.0  # the least of them
    value_max: float = 10.0  # the largest of them


@dataclass(frozen=True)
class OptimizerSettings:
    """How the weights move."""

    update: UpdateRule = "gradient"  # preqn: by the inverse kernel (Achiam et al. 2019)
    optimizer: Optimizer = "adam"  # nature_rmsprop: Mnih et al. (2015); rmsprop: PyTorch's
    learning_rate: float = 1e-4
    adam_epsilon: float = 1e-8  # added to Adam's root
    loss: Loss = "huber"
    preqn_learning_rate: float = 0.1  # of preqn: its largest α; 1 goes all the way to the targets
    preqn_alignment: float = 0.97  # η: the least cosine between ΔQ and the TD errors
    preqn_align_with: AlignWith = "reachable"  # what the damped solve asks for; or td_errors
    preqn_damping: float = 0.003  # added to K's eigenvalues, a share of the largest; 0: none


@dataclass(frozen=True)
class ExplorationSettings:
    """How the behaviour policy departs from the greedy one."""

    exploration: Exploration = "epsilon_greedy"  # boltzmann: by softmax(Q / temperature)
    epsilon_start: float = 1.0
    epsilon_end: float = 0.02
    temperature_start: float = 1.0  # of boltzmann, in units of Q
    temperature_end: float = 0.01
    exploration_steps: int = 100_000  # agent steps from start to end, ε or temperature


@dataclass(frozen=True)
class DeviceSettings:
    """Where the work is done, and how often it is saved."""

    device: str = "cpu"  # of the learner and its replay: cpu, cuda or cuda:N
    checkpoint_period: int | None = 250_000  # agent steps between checkpoints; at each, whether or
    # not there is a folder to write to, the environments restart; None or 0: never, see loop.py
    torch_threads: int | None = 1  # threads of a CPU update; None leaves PyTorch's setting alone


@dataclass(frozen=True)
class MachineSettings(DeviceSettings):
    """How the work is done."""

    overlap: bool = True  # act before the last turn's updates; False: after them, see loop.py
    precision: Precision = "float32"  # or bfloat16, weights still float32; see arithmetic.py
    emulator_threads: int = 1  # Atari: threads of the emulators; the games do not depend on it


GROUPS: tuple[type, ...] = (
    TaskSettings,
    LearningSettings,
    TargetSettings,
    NetworkSettings,
    OptimizerSettings,
    ExplorationSettings,
    MachineSettings,
)


@dataclass(frozen=True)
class DQNConfig(
    MachineSettings,  # the fields of the last base come first
    ExplorationSettings,
    OptimizerSettings,
    NetworkSettings,
    TargetSettings,
    LearningSettings,
    TaskSettings,
):
    """A DQN run; the defaults learn the Atari game Pong in 1 to 1.5 million steps.

    An agent step is one action in one environment, on Atari four emulator frames. Departures from
    Mnih et al. (2015): Adam at 1e-4 for RMSProp at 2.5e-4, a replay of 100,000 for 1,000,000, a
    faster ε schedule, a target network copied every 1,000 agent steps, sticky actions.

    Raises:
        InvalidValueError: a number is out of its range, two do not go together, or one was given
            that nothing reads.

    >>> DQNConfig(num_envs=4).exploration_steps
    100000
    >>> DQNConfig(discount=1.5)
    Traceback (most recent call last):
    ...
    qdiverge.errors.InvalidValueError: discount must lie in [0, 1]; got 1.5. Usual: 0.99.
    """

    algorithm: ClassVar[str] = "dqn"  # whose settings these are, in run.json

    def __post_init__(self) -> None:
        check_ranges(self)
        check_choice("loss", self.loss, LOSSES)
        check_device_name(self.device)
        check_choice("precision", self.precision, get_args(Precision))
        check_choice("update", self.update, get_args(UpdateRule))
        check_choice("preqn_align_with", self.preqn_align_with, get_args(AlignWith))
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("exploration", self.exploration, EXPLORATIONS)
        if self.bootstrap is not None:
            check_choice("bootstrap", self.bootstrap, get_args(Bootstrap))
        check_together(self)
        check_effect(self, SETTING_RULES)

    def adapted(self, kind: EnvironmentKind | None = None, /, **given: Any) -> Self:
        """This configuration with other settings; what they leave without effect is the default.

        Args:
            kind: Of environment; None: what only one kind reads is kept.
            given: Settings by name; kept, and refused where they have no effect themselves.

        Returns:
            A new configuration.

        Raises:
            InvalidValueError: as for a new one.

        >>> config = DQNConfig(prioritized=True, priority_beta=0.5)
        >>> config.adapted(prioritized=False).priority_beta
        0.4
        """
        return adapted(self, (*SETTING_RULES, *(ENVIRONMENT_RULES[kind] if kind else ())), given)

    @property
    def bootstrap_rule(self) -> Bootstrap:
        """The bootstrap that ``bootstrap``, ``double`` and ``use_target_network`` ask for."""
        if self.bootstrap is not None:
            return self.bootstrap
        if not self.use_target_network:
            return "q"
        return "double_q" if self.double else "target_q"

    @property
    def has_target_network(self) -> bool:
        """Whether the bootstrap asks a target network at all."""
        return self.bootstrap_rule != "q"
