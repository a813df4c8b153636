"""The networks of continuous control: critics Q(s, a), and actors that are sure or that draw."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from qdiverge.agents.networks import MLP
from qdiverge.agents.networks.activations import Activation

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0  # of SAC's policy (Haarnoja et al. 2018, published code)


class OnMLP(nn.Module):
    """An MLP between the ends that a subclass names.

    Args:
        observation_size: Numbers in s.
        action_size: k.
        hidden_sizes: Of the MLP.
        activation: Between its layers.
        layer_norm: Normalise before each activation.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden_sizes: Sequence[int],
        *,
        activation: Activation = "relu",
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        inputs, outputs = self.ends(observation_size, action_size)
        sizes = [inputs, *hidden_sizes, outputs]
        self.net = MLP(sizes, activation=activation, layer_norm=layer_norm)

    @staticmethod
    def ends(observation_size: int, action_size: int) -> tuple[int, int]:
        """Return how many numbers go in and come out: s, and a."""
        return observation_size, action_size


class Critic(OnMLP):
    """Q(s, a) of an MLP that reads both in a row.

    Args:
        observation_size: Numbers in s.
        action_size: k.
        hidden_sizes: Of the MLP.
        activation: Between its layers.
        layer_norm: Normalise before each activation.

    >>> Critic(3, 1, (8,))(torch.zeros(5, 3), torch.zeros(5, 1)).shape
    torch.Size([5])
    """

    @staticmethod
    def ends(observation_size: int, action_size: int) -> tuple[int, int]:
        """Return s and a in a row, and one value."""
        return observation_size + action_size, 1

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return Q(s_i, a_i).

        Args:
            observations: [N, d].
            actions: [N, k], in [−1, 1].

        Returns:
            [N].
        """
        values: Tensor = self.net(torch.cat([observations, actions], dim=1))
        return values.squeeze(1)


class Actor(OnMLP):
    """A deterministic policy, μ(s) = tanh(f(s)) ∈ (−1, 1)^k.

    f is the MLP; arguments as for :class:`OnMLP`.
    """

    def forward(self, observations: Tensor) -> Tensor:
        """Return μ(s), [N, k]."""
        return torch.tanh(self.net(observations))


class GaussianActor(OnMLP):
    """A stochastic policy: a = tanh(u), u ~ N(m(s), diag σ(s)²).

    Source: Haarnoja et al. (2018), arXiv:1801.01290, Appendix C.

    Args:
        observation_size: Numbers in s.
        action_size: k.
        hidden_sizes: Of the MLP that gives m and log σ.
        activation: Between its layers.
        layer_norm: Normalise before each activation.
    """

    @staticmethod
    def ends(observation_size: int, action_size: int) -> tuple[int, int]:
        """Return s, and the mean and the log deviation of a."""
        return observation_size, 2 * action_size

    def forward(self, observations: Tensor) -> Tensor:
        """Return tanh(m(s)), [N, k]: what the policy is evaluated by."""
        return torch.tanh(self.moments(observations)[0])

    def moments(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return m(s) and log σ(s), [N, k] each."""
        mean, log_std = self.net(observations).chunk(2, dim=1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def at(self, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the actions that standard normal noise leads to, and log π; differentiable.

        Args:
            observations: [N, d].
            noise: ε, [N, k]; u = m + σ ε.

        Returns:
            a [N, k], and log π(a|s) [N].
        """
        mean, log_std = self.moments(observations)
        u = mean + log_std.exp() * noise
        return torch.tanh(u), squashed_log_prob(u, log_std, noise)


def squashed_log_prob(u: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """Return the log density of a = tanh(u), u = m + σ ε.

        log π(a) = Σ_j [ log N(ε_j; 0, 1) − log σ_j − log(1 − tanh² u_j) ]

    Source: Haarnoja et al. (2018), arXiv:1801.01290, equation 21; log(1 − tanh² u) is taken as
    2 (log 2 − u − softplus(−2u)), which does not round to log 0.

    Args:
        u: [N, k].
        log_std: log σ, [N, k].
        noise: ε, [N, k].

    Returns:
        [N].

    >>> zero = torch.zeros(1, 1)
    >>> squashed_log_prob(zero, zero, zero)  # log 1/√(2π); tanh has slope 1 there
    tensor([-0.9189])
    """
    normal = -(noise.square() + math.log(2 * math.pi)) / 2 - log_std
    slope = 2 * (math.log(2) - u - functional.softplus(-2 * u))
    return (normal - slope).sum(dim=1)


class LogTemperature(nn.Module):
    """The log of SAC's temperature α, a module so that it is saved with the rest.

    Args:
        temperature: α at first.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor(math.log(temperature)))

    def forward(self) -> Tensor:
        """Return α, []."""
        return self.log_alpha.exp()
