"""The empirical neural tangent kernel of a Q-network: the object that users hold."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.kernel.network import Network, read_network, untouched, unwrap
from qdiverge.kernel.pairs import Actions, Pairs, check_pairs
from qdiverge.kernel.per_sample import jacobian_by_vmap
from qdiverge.kernel.probe import check_network
from qdiverge.kernel.reference import jacobian_by_loop
from qdiverge.kernel.stream import Extract, add_tile, chunks, tiles
from qdiverge.kernel.terms import Explicit, Term

METHODS = ("auto", "structured", "per_sample", "reference")
Observations = Tensor | np.ndarray


class NTK:
    """K(x, x') = ∇_θ Q(x) · ∇_θ Q(x'), exact; the module is only ever read.

    Jacot, Gabriel & Hongler 2018 (arXiv:1806.07572); for Q-networks: Achiam, Knight & Abbeel 2019
    (arXiv:1903.08894), section 3.

    Args:
        q_net: Returns Q-values [N, A] for observations [N, ...]; or a critic, called with
            observations and floating-point actions [N, k], that returns [N] or [N, 1].
        method: "auto", "structured", "per_sample" or "reference".
        block_size: How many rows' features are held at a time; the result does not depend on it.
        dtype: Calculate in this precision instead of the network's own.

    >>> q_net = nn.Linear(2, 2, bias=False)  # K = s·s' where the actions agree, 0 elsewhere
    >>> NTK(q_net).kernel(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([0, 0]))
    tensor([[5., 3.],
            [3., 9.]])
    """

    def __init__(
        self,
        q_net: nn.Module,
        *,
        method: str = "auto",
        block_size: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not isinstance(q_net, nn.Module):
            raise InvalidTypeError("q_net must be a torch.nn.Module", got=type(q_net).__name__)
        if method not in METHODS:
            raise InvalidValueError(f"method must be one of {', '.join(METHODS)}", got=repr(method))
        if block_size is not None and block_size < 1:
            raise InvalidValueError("block_size must be at least 1", got=block_size)
        if dtype is not None and not dtype.is_floating_point:
            raise InvalidTypeError("dtype must be a floating-point dtype", got=dtype)
        self.q_net, self.method, self.block_size, self.dtype = q_net, method, block_size, dtype

    def kernel(
        self,
        observations: Observations,
        actions: Actions,
        other_observations: Observations | None = None,
        other_actions: Actions | None = None,
    ) -> Tensor:
        """Return K [N, N], or K [N, M] with a second set of pairs.

        With ``actions="all"`` each side has an axis of actions too: [N, A, N, A].

        Raises:
            InvalidValueError, InvalidTypeError: an argument cannot be used.
            UnsupportedNetworkError: the network mixes samples or draws random numbers.
        """
        if (other_observations is None) != (other_actions is None):
            raise InvalidValueError("a cross kernel needs the other observations and actions both")
        with untouched(unwrap(self.q_net)[0], self.dtype):
            network = read_network(self.q_net, self.dtype)
            x = self._check(network, observations, actions)
            y = None
            if other_observations is not None and other_actions is not None:
                y = self._check(network, other_observations, other_actions)
            num_x, num_y = self._shape(network, x), self._shape(network, x if y is None else y)
            out = x.observations.new_zeros(
                num_x[0] * num_x[1], num_y[0] * num_y[1], dtype=network.dtype
            )
            chunk = 64
            block = max(chunk, (self.block_size or 1024) // chunk * chunk)
            for left, right in tiles(self._extract(network), x, y, chunk, block):
                rows, columns = _scaled(left.rows, num_x[1]), _scaled(right.rows, num_y[1])
                add_tile(out[rows, columns], left, right)
                if y is None and left is not right:
                    out[columns, rows] = out[rows, columns].T
            shape_x = num_x if x.actions is None else num_x[:1]
            shape_y = num_y if (x if y is None else y).actions is None else num_y[:1]
            return out.reshape(*shape_x, *shape_y)

    def diagonal(self, observations: Observations, actions: Actions) -> Tensor:
        """Return K_ii [N], or [N, A] for all actions, without the rest of K."""
        with untouched(unwrap(self.q_net)[0], self.dtype):
            network = read_network(self.q_net, self.dtype)
            x = self._check(network, observations, actions)
            parts = chunks(self._extract(network), x, 64, slice(0, len(x)))
            diagonal = torch.cat(
                [torch.stack([t.diagonal() for t in c.terms]).sum(0) for c in parts]
            )
            return diagonal if x.actions is not None else diagonal.reshape(len(x), -1)

    def _check(self, network: Network, observations: Observations, actions: Actions) -> Pairs:
        device = next(iter(network.params.values())).device
        pairs = check_pairs(observations, actions, device=device, dtype=self.dtype)
        check_network(network, pairs)
        return pairs

    def _shape(self, network: Network, pairs: Pairs) -> tuple[int, int]:
        if pairs.actions is not None:
            return len(pairs), 1
        return len(pairs), network.values(network.params, pairs[:1]).shape[1]

    def _extract(self, network: Network) -> Extract:
        jacobian = jacobian_by_loop if self.method == "reference" else jacobian_by_vmap

        def extract(pairs: Pairs) -> list[Term]:
            gradients = jacobian(network, pairs, list(network.params))
            return [Explicit(name, g.flatten(2)) for name, g in gradients.items()]

        return extract


def empirical_ntk(
    q_net: nn.Module,
    observations: Observations,
    actions: Actions,
    other_observations: Observations | None = None,
    other_actions: Actions | None = None,
    *,
    method: str = "auto",
    block_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the empirical NTK at the pairs: the one-shot form of :meth:`NTK.kernel`.

    >>> q_net = nn.Linear(1, 1)  # K = s·s + 1, the 1 from the bias
    >>> empirical_ntk(q_net, torch.tensor([[2.0]]), torch.tensor([0]))
    tensor([[5.]])
    """
    ntk = NTK(q_net, method=method, block_size=block_size, dtype=dtype)
    return ntk.kernel(observations, actions, other_observations, other_actions)


def _scaled(rows: slice, num_actions: int) -> slice:
    return slice(rows.start * num_actions, rows.stop * num_actions)
