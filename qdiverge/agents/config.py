"""Every number of a DQN run, with its unit."""

from dataclasses import dataclass

from qdiverge.checks import check_discount, check_positive
from qdiverge.errors import InvalidValueError

LOSSES = ("huber", "mse")
OPTIMIZERS = ("adam", "rmsprop", "sgd")


@dataclass(frozen=True)
class DQNConfig:
    """A DQN run on an Atari game; the defaults learn Pong in 1 to 1.5 million steps.

    An agent step is one action in one environment, four emulator frames. Departures from Mnih et
    al. (2015): Adam at 1e-4 for RMSProp at 2.5e-4, a replay of 100,000 for 1,000,000, a faster
    ε schedule, a target network copied every 1,000 agent steps, sticky actions.

    Raises:
        InvalidValueError: a number is out of its range, or two do not go together.

    >>> DQNConfig(num_envs=4).exploration_steps
    100000
    >>> DQNConfig(discount=1.5)
    Traceback (most recent call last):
    ...
    qdiverge.errors.InvalidValueError: discount must lie in [0, 1]; got 1.5. Usual: 0.99.
    """

    environment: str = "ALE/Pong-v5"
    seed: int = 1
    total_steps: int = 1_500_000  # agent steps
    num_envs: int = 8  # environments stepped together
    repeat_action_probability: float = 0.25  # sticky actions (Machado et al. 2018)
    max_episode_frames: int = 108_000  # emulator frames, then the episode is truncated
    noop_max: int = 30  # an opening has fewer no-ops than this
    clip_rewards: bool = True  # to [-1, 1], for the learner only
    terminal_on_life_loss: bool = False  # a lost life bootstraps nothing; the game goes on

    discount: float = 0.99
    buffer_size: int = 100_000  # transitions, 7,063 bytes each
    batch_size: int = 32  # transitions
    learning_starts: int = 10_000  # agent steps of uniformly random play before the first update
    train_period: int = 4  # agent steps for each update
    use_target_network: bool = True  # False: bootstrap from the network that learns
    target_period: int = 1_000  # agent steps between copies into the target network

    optimizer: str = "adam"  # or "rmsprop" (Mnih et al. 2015: centred, .95, .01), "sgd"
    learning_rate: float = 1e-4
    loss: str = "huber"  # or "mse"

    epsilon_start: float = 1.0
    epsilon_end: float = 0.02
    exploration_steps: int = 100_000  # agent steps from epsilon_start to epsilon_end

    torch_threads: int | None = 1  # threads of a CPU update; None leaves PyTorch's setting alone

    def __post_init__(self) -> None:
        check_discount(self.discount)
        check_positive("learning_rate", self.learning_rate)
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
            ("target_period", 1),
            ("exploration_steps", 0),
        ):
            check_integer(name, getattr(self, name), least)
        if self.torch_threads is not None:
            check_integer("torch_threads", self.torch_threads, 1)
        for name in ("repeat_action_probability", "epsilon_start", "epsilon_end"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidValueError(f"{name} must lie in [0, 1]", got=getattr(self, name))
        for name, choices in (("loss", LOSSES), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in choices:
                raise InvalidValueError(
                    f"{name} must be one of {', '.join(choices)}", got=repr(getattr(self, name))
                )


def check_integer(name: str, value: int, least: int) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Raises:
        InvalidValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidValueError(f"{name} must be an integer of at least {least}", got=value)
    return value
