"""Per-sample gradients by ``vmap(grad)``: no rule is needed, the whole Jacobian is formed."""

import warnings

from torch import Tensor
from torch.func import grad, jacrev, vmap

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.reference import jacobian_by_loop


def jacobian_by_vmap(network: Network, pairs: Pairs, names: list[str]) -> dict[str, Tensor]:
    """Return ∂Q(x_i)/∂θ for each named parameter, [n, A', *shape].

    Raises:
        UnsupportedNetworkError: an operation of the network cannot be vectorised.
    """
    fixed = {k: v for k, v in network.params.items() if k not in names}
    named = {name: network.params[name] for name in names}

    def values(params: dict[str, Tensor], *sample: Tensor) -> Tensor:
        one = Pairs(sample[0][None], sample[1][None] if len(sample) > 1 else None)
        return network.values({**fixed, **params}, one)[0]  # [A']

    samples = (
        (pairs.observations,) if pairs.actions is None else (pairs.observations, pairs.actions)
    )
    derive = jacrev(values) if pairs.actions is None else grad(lambda *a: values(*a)[0])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            jacobian = vmap(derive, in_dims=(None, *(0 for _ in samples)))(named, *samples)
    except (RuntimeError, NotImplementedError) as error:
        raise UnsupportedNetworkError(
            "per_sample needs a network that torch.func can vectorise",
            got=str(error).strip().splitlines()[0],
            remedy='Use method="auto" or "reference".',
        ) from error
    if pairs.actions is None:
        return jacobian
    return {name: gradient.unsqueeze(1) for name, gradient in jacobian.items()}


def jacobian_of_some(network: Network, pairs: Pairs, names: list[str]) -> dict[str, Tensor]:
    """Return the named parameters' per-sample gradients, vectorised where torch.func can."""
    try:
        return jacobian_by_vmap(network, pairs, names)
    except UnsupportedNetworkError:
        return jacobian_by_loop(network, pairs, names)
