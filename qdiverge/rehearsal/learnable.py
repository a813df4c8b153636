"""Which networks copies can train by a rule of TD errors, and which need ``update=…``.

C51 and QR-DQN learn a distribution of returns, by a loss that no rule of Q-values says. Noisy
layers learn under noise that is drawn for each update: copies draw theirs, where a layer says how,
unless the network draws in each call.
"""

from collections.abc import Sequence

import torch
from torch import nn

from qdiverge.calling import own_errors
from qdiverge.diagnostics.noisy_weights import DRAW, can_draw
from qdiverge.diagnostics.quiet import quiet, quiet_call
from qdiverge.errors import InvalidTypeError
from qdiverge.update.td_update import Rows

SUPPORTS = (
    "support", "supports", "atoms", "n_atoms", "num_atoms", "quantiles", "n_quantiles",
    "num_quantiles",
)  # fmt: skip  # what a network of a distribution keeps under these names
OF_DISTRIBUTIONS = ("Categorical", "Quantile", "C51", "IQN", "FQF", "Distributional")


def check_learnable(networks: Sequence[nn.Module], rows: Rows) -> None:
    """Refuse networks whose loss the rule does not say, by name.

    Args:
        networks: Of a copy, in training; what they draw and keep is put back.
        rows: To ask them about.

    Raises:
        InvalidTypeError: a distribution, or noise that nothing draws.
    """
    for network in networks:
        if name := _distribution_in(network, rows):
            raise InvalidTypeError(
                "copies learn Q-values by their TD errors, and a distribution by another loss",
                got=name,
                remedy="Pass update=…, which makes one update of the copies, and networks that "
                "return the mean, [N, A].",
            )
        if not can_draw(network) and is_still(network, rows):
            raise InvalidTypeError(
                f"noisy layers must draw their noise by {', '.join(DRAW)}, or in each call",
                got=f"{type(network).__name__} with layers that do neither",
                remedy="Give them such a method, or pass update=….",
            )


def _distribution_in(network: nn.Module, rows: Rows) -> str:
    """Return what about a network says that it learns a distribution; "" where nothing does."""
    names = [type(part).__name__ for part in network.modules()]
    if name := next((n for n in names if any(word in n for word in OF_DISTRIBUTIONS)), ""):
        return f"a layer called {name}"
    kept = {n for part in network.modules() for n in (*vars(part), *part._buffers)}
    if name := next((n for n in SUPPORTS if n in kept), ""):
        return f"one that keeps its {name}"
    if rows.transitions.actions.is_floating_point():
        return ""
    values = quiet_call(network, rows.transitions.observations[:1])
    if isinstance(values, torch.Tensor) and values.ndim > 2:
        return f"values of shape {list(values.shape)}"
    return ""


def is_still(network: nn.Module, rows: Rows) -> bool:
    """Return whether a network says the same twice while it trains, dropout apart."""
    batch = rows.transitions
    inputs = [batch.observations[:2]]
    inputs += [batch.actions[:2]] if batch.actions.is_floating_point() else []
    with torch.no_grad(), quiet(network), own_errors("q_net", *inputs):
        for part in network.modules():
            part.training = "Drop" not in type(part).__name__
        first, second = network(*inputs), network(*inputs)
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else True
