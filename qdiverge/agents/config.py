"""Every number of a DQN run, with its unit."""

from dataclasses import dataclass
from typing import Literal, get_args

from qdiverge.agents.arithmetic import Precision
from qdiverge.agents.config_checks import check_choices, check_integer, check_together
from qdiverge.agents.targets import Bootstrap
from qdiverge.checks import check_discount, check_positive
from qdiverge.errors import InvalidValueError

Loss = Literal["huber", "mse"]
Optimizer = Literal["adam", "rmsprop", "sgd", "nature_rmsprop"]
LOSSES: tuple[str, ...] = get_args(Loss)
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)


@dataclass(frozen=True)
class DQNConfig:
    """A DQN run; the defaults learn the Atari game Pong in 1 to 1.5 million steps.

    An agent step is one action in one environment, on Atari four emulator frames. Departures from
    Mnih et al. (2015): Adam at 1e-4 for RMSProp at 2.5e-4, a replay of 100,000 for 1,000,000, a
    faster ε schedule, a target network copied every 1,000 agent steps, sticky actions.

    Raises:
        InvalidValueError: a number is out of its range, or two do not go together.

    >>> DQNConfig(num_envs=4).exploration_steps
    100000
    >>> DQNConfig(discount=1.5)
    Traceback (most recent call last):
    ...
    qdiverge.errors.InvalidValueError: discount must lie in [0, 1]; got 1.5. Usual: 0.99.
    """

    environment: str = "ALE/Pong-v5"  # or CartPole-v1, MinAtar/Breakout-v1, module:Task-v0
    seed: int = 1
    total_steps: int = 1_500_000  # agent steps
    num_envs: int = 8  # environments stepped together
    repeat_action_probability: float = 0.25  # Atari: sticky actions (Machado et al. 2018);
    # MinAtar's own is .1
    max_episode_frames: int = 108_000  # Atari, MinAtar: frames, then the episode is truncated
    noop_max: int = 30  # Atari: an opening has fewer no-ops than this
    clip_rewards: bool = True  # to [-1, 1], for the learner only; also outside Atari
    terminal_on_life_loss: bool = False  # Atari: a lost life bootstraps nothing; the game goes on

    discount: float = 0.99
    buffer_size: int = 100_000  # transitions, on Atari 7,063 bytes each
    batch_size: int = 32  # transitions
    learning_starts: int = 10_000  # agent steps of uniformly random play before the first update
    train_period: int = 4  # agent steps for each update

    n_step: int = 1  # steps of reward before the bootstrap; fewer where the episode ends
    prioritized: bool = False  # by TD error (Schaul et al. 2016)
    priority_exponent: float = 0.6  # 0: uniform; .6 and .4: Schaul et al. (2016), Table 3
    priority_beta: float = 0.4  # of the importance weights at first; 1 at the end of the run

    bootstrap: Bootstrap | None = None  # None: what the next two say; see targets.py
    double: bool = False  # double Q-learning (van Hasselt et al. 2016): bootstrap "double_q"
    use_target_network: bool = True  # False: bootstrap "q", from the network that learns
    target_period: int = 1_000  # agent steps between copies into the target network
    polyak: float | None = None  # share of the network moved into the target after each update,
    # in place of the copies

    dueling: bool = False  # value and advantage streams (Wang et al. 2016)
    layer_norm: bool = False  # normalise before every hidden rectifier
    noisy: bool = False  # explore by noisy weights (Fortunato et al. 2018): no ε while learning
    hidden_sizes: tuple[int, ...] = (120, 84)  # of the MLP, where observations are vectors

    optimizer: Optimizer = "adam"  # nature_rmsprop: Mnih et al. (2015); rmsprop: PyTorch's
    learning_rate: float = 1e-4
    adam_epsilon: float = 1e-8  # added to Adam's root
    loss: Loss = "huber"

    epsilon_start: float = 1.0
    epsilon_end: float = 0.02
    exploration_steps: int = 100_000  # agent steps from epsilon_start to epsilon_end

    overlap: bool = True  # act before the updates that the last turn made due, see loop.py; False:
    # after them, as in the textbook
    precision: Precision = "float32"  # or bfloat16, weights still float32; see arithmetic.py
    torch_threads: int | None = 1  # threads of a CPU update; None leaves PyTorch's setting alone

    def __post_init__(self) -> None:
        check_discount(self.discount)
        check_positive("learning_rate", self.learning_rate)
        check_positive("adam_epsilon", self.adam_epsilon)
        for name, least in (
            ("seed", 0),
            ("total_steps", 1),
            ("num_envs", 1),
            ("max_episode_frames", 4),
            ("noop_max", 0),
            ("buffer_size", 1),
            ("batch_size", 1),
            ("learning_starts", 0),
            ("train_period", 1),
            ("n_step", 1),
            ("target_period", 1),
            ("exploration_steps", 0),
        ):
            check_integer(name, getattr(self, name), least)
        if self.torch_threads is not None:
            check_integer("torch_threads", self.torch_threads, 1)
        shares = ("repeat_action_probability", "epsilon_start", "epsilon_end")
        for name in (*shares, "priority_exponent", "priority_beta"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidValueError(f"{name} must lie in [0, 1]", got=getattr(self, name))
        check_choices("loss", self.loss, LOSSES)
        check_choices("precision", self.precision, get_args(Precision))
        check_choices("optimizer", self.optimizer, OPTIMIZERS)
        if self.bootstrap is not None:
            check_choices("bootstrap", self.bootstrap, get_args(Bootstrap))
        if self.polyak is not None and not 0.0 < self.polyak <= 1.0:
            raise InvalidValueError("polyak must lie in (0, 1]", got=self.polyak)
        for width in self.hidden_sizes:
            check_integer("every one of hidden_sizes", width, 1)
        check_together(self)

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
