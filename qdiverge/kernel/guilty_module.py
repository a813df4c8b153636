"""Which module of a network mixes samples, or draws random numbers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from qdiverge.generators import global_states, same_states
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.sample_mixing import ROUNDING, same_rows, take

NOWHERE = "q_net's own forward"  # in no module's call


def drawing_module(network: Network, pairs: Pairs) -> str:
    """Return the name of the innermost module whose call moves the global generators."""
    device, names, states = pairs.observations.device, list[str](), []

    def before(name: str) -> None:
        states.append(global_states(device))

    def after(name: str, output: object) -> None:
        if not same_states(states.pop(), global_states(device)):
            names.append(name)

    with _hooked(network, before, after):
        network.values(network.params, pairs)
    return names[0] if names else NOWHERE


def mixing_module(network: Network, pairs: Pairs, batches: Sequence[list[int]]) -> str:
    """Return the name of the innermost module that gives a row another output in a larger batch.

    Args:
        network: The network.
        pairs: Some pairs.
        batches: Rows of them, which are run batch by batch, and then all together.
    """
    together = [row for batch in batches for row in batch]
    *parts, whole = [_outputs(network, take(pairs, rows)) for rows in (*batches, together)]
    for calls in zip(*parts, whole, strict=False):
        apart = [output for _, output in calls[:-1]]
        name, joint = calls[-1]
        sizes = [len(batch) for batch in batches]
        if [len(output) for output in apart] != sizes or len(joint) != len(together):
            continue
        pieces = zip(apart, joint.split(sizes), strict=True)
        if not all(same_rows(one, other, ROUNDING) for one, other in pieces):
            return name
    return NOWHERE


def _outputs(network: Network, pairs: Pairs) -> list[tuple[str, Tensor]]:
    """Return the tensors that modules return, in the order of their returning, with their names."""
    calls: list[tuple[str, Tensor]] = []

    def after(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.dim():
            calls.append((name, output.detach().clone()))

    with _hooked(network, lambda name: None, after):
        network.values(network.params, pairs)
    return calls


@contextmanager
def _hooked(
    network: Network,
    before: Callable[[str], None],
    after: Callable[[str, object], None],
) -> Iterator[None]:
    """Call two functions around the call of each module, with its name."""
    handles = []
    try:
        for name, module in network.module.named_modules():
            called = name or NOWHERE
            handles += [
                module.register_forward_pre_hook(lambda m, _, name=called: before(name)),
                module.register_forward_hook(lambda m, _, output, name=called: after(name, output)),
            ]
        yield
    finally:
        for handle in handles:
            handle.remove()
