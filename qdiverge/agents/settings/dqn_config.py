"""Every number of a DQN run, with its unit."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import Self

from qdiverge.agents.machine.arithmetic import Precision
from qdiverge.agents.settings.agent_config import (
    AgentConfig,
    DeviceSettings,
    LearningSettings,
    Sampling,
    TaskSettings,
)
from qdiverge.agents.settings.dqn_rules import SWITCHED_OFF, UNREAD_IN, check_together
from qdiverge.agents.settings.preqn_settings import PreQNSettings
from qdiverge.agents.settings.ranges import (
    Atoms,
    Count,
    Discount,
    Frames,
    Natural,
    Positive,
    Share,
    StepShare,
    Threads,
)
from qdiverge.td import Bootstrap

Loss = Literal["huber", "mse"]
Optimizer = Literal["adam", "rmsprop", "sgd", "nature_rmsprop"]


@dataclass(frozen=True)
class GameSettings(TaskSettings):
    """What is played, and for how long."""

    environment: str = "ALE/Pong-v5"  # or CartPole-v1, MinAtar/Breakout-v1, module:Task-v0
    seed: Natural = 1
    total_steps: Count = 1_500_000  # agent steps
    num_envs: Count = 8  # environments stepped together
    repeat_action_probability: Share = 0.25  # Atari, MinAtar: sticky actions (Machado et al. 2018)
    max_episode_frames: Frames = 108_000  # Atari, MinAtar: frames, then the episode is truncated
    noop_max: Natural = 30  # Atari: an opening has fewer no-ops than this
    full_action_space: bool = False  # Atari: all 18 actions, also those that the game does not know
    clip_rewards: bool | None = None  # to [-1, 1], for the learner only; None: on Atari alone
    terminal_on_life_loss: bool = False  # Atari: a lost life bootstraps nothing; the game goes on


@dataclass(frozen=True)
class ReplaySettings(LearningSettings):
    """What is learnt from, and how often."""

    discount: Discount = 0.99
    buffer_size: Count = 100_000  # transitions, on Atari 7,063 bytes each
    batch_size: Count = 32  # transitions
    learning_starts: Natural = 10_000  # agent steps of uniformly random play before any update
    train_period: Count = 4  # agent steps for each update

    n_step: Count = 1  # steps of reward before the bootstrap; fewer where the episode ends
    prioritized: bool = False  # by TD error (Schaul et al. 2016), or by a distribution's loss
    priority_exponent: Share = 0.6  # 0: uniform; .6 and .4: Schaul et al. (2016), Table 3
    priority_beta: Share = 0.4  # of the importance weights at first; 1 at the end of the run


@dataclass(frozen=True)
class TargetSettings:
    """What the targets bootstrap from."""

    bootstrap: Bootstrap | None = None  # None: as the next two say; see td.py
    double: bool = False  # double Q-learning (van Hasselt et al. 2016): bootstrap "double_q"
    use_target_network: bool = True  # False: bootstrap "q", from the network that learns
    target_period: Count = 1_000  # agent steps between copies into the target network
    polyak: StepShare | None = None  # share of the way that the target moves after every update


@dataclass(frozen=True)
class NetworkSettings:
    """What stands for Q."""

    dueling: bool = False  # value and advantage streams (Wang et al. 2016)
    layer_norm: bool = False  # normalise before every hidden rectifier
    noisy: bool = False  # explore by noisy weights (Fortunato et al. 2018): no ε while learning
    hidden_sizes: tuple[Count, ...] = (120, 84)  # of the MLP, where observations are vectors
    width_factor: Positive = 1.0  # times every hidden width of the networks that read images
    optimistic_value: float | None = None  # Q of every action at first; None: near 0

    distributional: bool = False  # learn the distribution of returns: C51 (Bellemare et al. 2017)
    num_atoms: Atoms = 51  # returns that it tells apart, evenly spaced
    value_min: float = -10.0  # the least of them
    value_max: float = 10.0  # the largest of them


@dataclass(frozen=True)
class OptimizerSettings(PreQNSettings):
    """How the weights move."""

    optimizer: Optimizer = "adam"  # nature_rmsprop: Mnih et al. (2015); rmsprop: PyTorch's
    learning_rate: Positive = 1e-4
    adam_epsilon: Positive = 1e-8  # added to Adam's root
    loss: Loss = "huber"


@dataclass(frozen=True)
class ExplorationSettings:
    """How the behaviour policy departs from the greedy one."""

    exploration: Literal["epsilon_greedy", "boltzmann"] = (
        "epsilon_greedy"  # boltzmann: by softmax(Q / temperature)
    )
    epsilon_start: Share = 1.0
    epsilon_end: Share = 0.02
    temperature_start: Positive = 1.0  # of boltzmann, in units of Q
    temperature_end: Positive = 0.01
    exploration_steps: Natural = 100_000  # agent steps from start to end, ε or temperature


@dataclass(frozen=True)
class MachineSettings(DeviceSettings):
    """How the work is done."""

    overlap: bool = True  # act before the last turn's updates; False: after them, see run_loop.py
    precision: Precision = "float32"  # or bfloat16, weights still float32; see arithmetic.py
    emulator_threads: Threads = 1  # Atari: of the emulators; the games do not depend on it


@dataclass(frozen=True)
class DQNConfig(
    MachineSettings,  # the fields of the last base come first
    ExplorationSettings,
    OptimizerSettings,
    NetworkSettings,
    TargetSettings,
    ReplaySettings,
    GameSettings,
    AgentConfig,
):
    """A DQN run; the defaults learn the Atari game Pong in 1 to 1.5 million steps.

    An agent step is one action in one environment, on Atari four emulator frames. Departures from
    Mnih et al. (2015): Adam at 1e-4 for RMSProp at 2.5e-4, a replay of 100,000 for 1,000,000, a
    faster ε schedule, a target network copied every 1,000 agent steps, sticky actions.

    >>> DQNConfig(num_envs=4).exploration_steps
    100000
    >>> DQNConfig(discount=1.5)
    Traceback (most recent call last):
    ...
    qdiverge.errors.InvalidValueError: discount must lie in [0, 1]; got 1.5. Usual: 0.99.
    """

    algorithm: ClassVar[str] = "dqn"
    is_continuous: ClassVar[bool] = False
    unread = SWITCHED_OFF
    unread_in = UNREAD_IN

    def check_together(self) -> None:
        """Refuse settings that contradict each other."""
        check_together(self)

    def settled(self, is_atari: bool) -> Self:
        """Return this configuration with rewards clipped on Atari alone, where nobody said."""
        if self.clip_rewards is not None:
            return self
        return dataclasses.replace(self, clip_rewards=is_atari)

    @property
    def sampling(self) -> Sampling:
        """Return how batches are drawn from the replay."""
        return Sampling(
            batch_size=self.batch_size,
            discount=self.discount,
            n_step=self.n_step,
            clip_rewards=bool(self.clip_rewards),
            priority_exponent=self.priority_exponent if self.prioritized else None,
            priority_beta=self.priority_beta,
            total_steps=self.total_steps,
        )

    @property
    def updates_per_copy(self) -> int:
        """Return the updates between two copies into the target network; 1 where none is copied."""
        if not self.has_target_network or self.polyak is not None:
            return 1
        return max(1, self.target_period // self.train_period)

    @property
    def bootstrap_rule(self) -> Bootstrap:
        """Return which bootstrap ``bootstrap``, ``double`` and ``use_target_network`` ask for."""
        if self.bootstrap is not None:
            return self.bootstrap
        if not self.use_target_network:
            return "q"
        return "double_q" if self.double else "target_q"

    @property
    def has_target_network(self) -> bool:
        """Return whether the bootstrap asks a target network at all."""
        return self.bootstrap_rule != "q"
