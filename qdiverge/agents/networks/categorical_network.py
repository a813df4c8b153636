"""A Q-network that knows the distribution of the return; its output is the expected value."""

import torch
from torch import Tensor, nn

from qdiverge.checks import check_finite_number, check_integer
from qdiverge.errors import InvalidValueError
from qdiverge.thing_checks import check_instance


class CategoricalQ(nn.Module):
    """Q(s, a) = Σ_j z_j softmax_j(logits(s, a)): called like any Q-network.

    Source: Bellemare et al. (2017), arXiv:1707.06887. A derivative of Q is one through the softmax;
    what is learnt from are the logits.

    Args:
        network: Gives the logits of all actions in one row, [B, A · N], action by action.
        value_min: The least return, z_0.
        value_max: The largest, z_{N−1}.
        num_atoms: N ≥ 2.

    >>> network = CategoricalQ(nn.Linear(1, 4), value_min=-1.0, value_max=1.0, num_atoms=2)
    >>> with torch.no_grad():
    ...     for weight in network.network.parameters(): _ = weight.zero_()
    ...     _ = network.network.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 9.0]))
    >>> network(torch.zeros(1, 1)).round(decimals=3).tolist()  # even odds; nearly certain of 1
    [[0.0, 1.0]]
    >>> network.logits(torch.zeros(1, 1)).tolist()
    [[[0.0, 0.0], [0.0, 9.0]]]
    """

    support: Tensor

    def __init__(
        self, network: nn.Module, *, value_min: float, value_max: float, num_atoms: int
    ) -> None:
        super().__init__()
        self.network = check_instance("network", network, nn.Module)
        num_atoms = check_integer("num_atoms", num_atoms, 2)
        value_min = check_finite_number("value_min", value_min)
        if not value_min < (value_max := check_finite_number("value_max", value_max)):
            got = f"{value_min:g} and {value_max:g}"
            raise InvalidValueError("value_min must be below value_max", got=got)
        if max(-value_min, value_max) > torch.finfo(torch.float32).max / 2:
            raise InvalidValueError(
                "value_min and value_max must be of the size of float32",
                got=f"{value_min:g} and {value_max:g}",
            )
        self.register_buffer("support", torch.linspace(value_min, value_max, num_atoms))

    def logits(self, observations: Tensor) -> Tensor:
        """Return the unnormalised log-probabilities of each return.

        Args:
            observations: [B, ...].

        Returns:
            [B, A, N].
        """
        flat: Tensor = self.network(observations)
        return flat.unflatten(1, (-1, len(self.support)))

    def forward(self, observations: Tensor) -> Tensor:
        """Return the expected return of each action.

        Args:
            observations: [B, ...].

        Returns:
            [B, A].
        """
        return (self.logits(observations).softmax(dim=2) * self.support).sum(dim=2)
