"""Optimistic initialisation (Sutton & Barto 2018, section 2.6): every action looks good at first.

Untried actions then keep a value above those that were tried and disappointed, so that the greedy
policy tries them. The value is written into the bias of the output layer: with hidden features
φ(s), Q(s, a) = w_a·φ(s) + value, near it because the weights w_a start small.
"""

import math

import torch
from torch import Tensor, nn

from qdiverge.agents.networks.categorical_network import CategoricalQ
from qdiverge.agents.networks.heads import Dueling
from qdiverge.checks import check_between
from qdiverge.errors import InvalidValueError
from qdiverge.thing_checks import check_instance, type_of


@torch.no_grad()
def start_at(network: nn.Module, value: float) -> None:
    """Let Q(s, a) ≈ value for every action.

    With two streams it is V that starts there, as advantages have mean zero. A distribution starts
    as the broadest one of that mean, see :func:`tilted_logits`. Noisy weights add their noise.

    Args:
        network: Changed in the bias of its output layer only; no generator is drawn from.
        value: Where Q starts; for a distribution strictly between its least and largest return.

    Raises:
        InvalidTypeError, InvalidValueError: that is no network with an output layer that has a
            bias, or no value that the bias can hold.

    >>> network = nn.Linear(1, 2)
    >>> start_at(network, 5.0)
    >>> network.bias.tolist()
    [5.0, 5.0]
    """
    bias = _output_layer(check_instance("network", network, nn.Module)).bias
    if nn.parameter.is_lazy(bias) or not bias.is_floating_point():
        raise InvalidValueError("network must have floating-point weights", got=type_of(bias))
    if isinstance(network, CategoricalQ):
        low, high = float(network.support[0]), float(network.support[-1])
        value = check_between("value", value, low, high, "()")
        logits = tilted_logits(network.support, value)
        bias.copy_(logits.repeat(len(bias) // len(logits)))
    else:
        most = torch.finfo(bias.dtype).max
        bias.fill_(check_between("value", value, -most, most))


def tilted_logits(support: Tensor, mean: float) -> Tensor:
    """Return the logits λ z_j of the distribution of largest entropy with a given mean.

    Args:
        support: [N], z, rising.
        mean: Strictly between the first and the last.

    Returns:
        [N], of mean zero; λ by bisection in double precision.

    >>> tilted_logits(torch.tensor([0.0, 1.0]), 0.75)  # odds of 3 to 1: ± log(3) / 2
    tensor([-0.5493,  0.5493])
    """
    z = support.double()
    centred = (z - (z[0] + z[-1]) / 2) / (z[-1] - z[0])  # in [−1/2, 1/2]
    low, high = -1e6, 1e6
    for _ in range(100):
        tilt = (low + high) / 2
        if float(((tilt * centred).softmax(0) * z).sum()) < mean:
            low = tilt
        else:
            high = tilt
    assert math.isfinite(tilt)
    return (tilt * centred).to(support.dtype)


def _output_layer(network: nn.Module) -> nn.Linear:
    """Return the layer that Q is read from: the last, of the value stream where there are two."""
    for module in network.modules():
        if isinstance(module, Dueling):
            network = module.value
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers or not isinstance(layers[-1].bias, Tensor):
        raise InvalidValueError("network must end in a linear layer with a bias", got="none")
    return layers[-1]
