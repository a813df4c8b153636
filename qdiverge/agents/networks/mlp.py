"""A Q-network of linear layers, for vector observations."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from qdiverge.agents.networks.activations import ACTIVATIONS, Activation
from qdiverge.agents.networks.heads import check_head, head, hidden
from qdiverge.checks import check_choice, check_integer
from qdiverge.errors import InvalidValueError
from qdiverge.thing_checks import check_list


class MLP(nn.Module):
    """A network of linear layers with rectifiers between them, for vector observations.

    Args:
        sizes: Width of the observation, of each hidden layer, and the number of actions.
        dueling: The last hidden layer and the output become two streams, see Dueling.
        layer_norm: Normalise before each rectifier.
        noisy: The last hidden layer and the output are noisy, see NoisyLinear.
        num_atoms: Outputs for each action; several are the logits for CategoricalQ.
        activation: In place of the rectifiers.

    >>> network = MLP([4, 120, 84, 2])
    >>> sum(weight.numel() for weight in network.parameters())  # 4·120+120 + 120·84+84 + 84·2+2
    10934
    >>> import torch
    >>> network(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        dueling: bool = False,
        layer_norm: bool = False,
        noisy: bool = False,
        num_atoms: int = 1,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        num_atoms = check_head(num_atoms, dueling=dueling, layer_norm=layer_norm, noisy=noisy)
        check_choice("activation", activation, ACTIVATIONS)
        sizes = check_list("sizes", sizes, partial(check_integer, least=1))
        if len(sizes) < 2:
            raise InvalidValueError(
                "sizes must name at least the observation's width and the number of actions",
                got=sizes,
            )
        layers: list[nn.Module] = []
        for width, next_width in pairwise(sizes[:-2]):
            between = hidden(next_width, layer_norm, activation=activation)
            layers += [nn.Linear(width, next_width), *between]
        self.layers = nn.Sequential(
            *layers, *head(sizes[-3:], dueling, layer_norm, noisy, num_atoms, activation)
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return Q(s, ·) of each observation.

        Args:
            observations: [N, width] of any real dtype.

        Returns:
            [N, A], or [N, A · num_atoms].
        """
        dtype = next(self.parameters()).dtype
        q_values: Tensor = self.layers(observations.to(dtype))
        return q_values
