"""A Q-network that the caller makes, in place of the one that the configuration describes."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.calling import own_errors
from qdiverge.diagnostics.quiet import quiet_call
from qdiverge.errors import CallError, InvalidTypeError, InvalidValueError
from qdiverge.generators import same_generators

MakeNetwork = Callable[[tuple[int, ...], int], nn.Module]
"""Called with the shape of an observation and the number of outputs, returns a network from
observations [N, *shape], of the environment's dtype, to [N, outputs]: a value per action, or
``num_atoms`` logits of each where a distribution is learnt."""


def given_network(
    make: MakeNetwork, observations: Tensor, num_outputs: int, *, is_noisy: bool = False
) -> nn.Module:
    """Return the network that ``make`` makes; a copy: ``make`` may give the same one every time.

    Args:
        make: Its weights are drawn from the global generator.
        observations: Any two, [2, *shape], on the run's device.
        num_outputs: What the network is to return of each.
        is_noisy: Whether weights are to explore.

    Raises:
        InvalidTypeError: it makes no module.
        InvalidValueError: the network does not read such observations, returns something else, has
            no weights to learn, or none that explore.

    >>> import torch
    >>> make = lambda shape, num_outputs: nn.Linear(*shape, num_outputs)
    >>> given_network(make, torch.zeros(2, 4), 3)
    Linear(in_features=4, out_features=3, bias=True)
    """
    shape = tuple(observations.shape[1:])
    with own_errors("make_q_network", shape, num_outputs):
        made = make(shape, num_outputs)
    if not isinstance(made, nn.Module):
        raise InvalidTypeError(
            "make_q_network must return a torch.nn.Module", got=type(made).__name__
        )
    network = copy.deepcopy(made).to(observations.device)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InvalidValueError("the network of make_q_network must have weights to learn")
    if is_noisy and not any(isinstance(module, NoisyLinear) for module in network.modules()):
        raise InvalidValueError(
            "with noisy the weights explore, and the network must have a NoisyLinear",
            got=f"a {type(network).__name__} without",
            remedy="Drop noisy, or build one in.",
        )
    _check_values(network, observations, num_outputs)
    return network


def _check_values(network: nn.Module, observations: Tensor, num_outputs: int) -> None:
    right = [len(observations), num_outputs]
    expected = (
        f"the network of make_q_network must map observations {list(observations.shape)} of "
        f"{observations.dtype} to {right}"
    )
    try:
        if any(map(is_lazy, network.parameters())):  # its first call makes them
            with torch.no_grad(), same_generators(observations.device):
                network(observations)
        values = quiet_call(network, observations)
    except Exception as error:  # whatever a network of somebody else's raises
        own = (isinstance(error, CallError) and error.__cause__) or error
        raise InvalidValueError(
            expected, got=f"{type(own).__name__}: {' '.join(str(own).split())}"
        ) from own
    given = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
    if given != right or not values.is_floating_point():
        raise InvalidValueError(
            expected,
            got=f"{given} of {values.dtype}" if isinstance(values, Tensor) else given,
            remedy="Make it from the two arguments: the shape, and the number of outputs.",
        )
