"""Whether a look may call networks as they stand: a fifth of the cost of one that hides itself."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.quiet import leaves_no_trace

AGAIN = 4  # times as many looks, and whether one leaves a trace is seen anew


class BareCalls:
    """Whether networks can be called as they stand: with no trace, as was seen, and seen again.

    Args:
        networks: To be called.

    >>> net = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    >>> bare, inputs = BareCalls([net]), torch.rand(2, 1)
    >>> bare.are_fine(inputs), net.eval() is net, bare.are_fine(inputs)
    (False, True, True)
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._networks = networks
        self._parts: list[nn.Module] = []
        self._flags: list[bool] = []
        self._is_traceless = False
        self._num_asked, self._due = 0, 1

    def are_fine(self, *inputs: Tensor) -> bool:
        """Return whether to call the networks on these inputs as they stand.

        Seen anew in another mode, and at the first call, the 4th, the 16th and so on.
        """
        if torch.is_autocast_enabled(inputs[0].device.type):
            return False
        self._num_asked += 1
        if self._num_asked >= self._due or self._flags != [x.training for x in self._parts]:
            self._parts = [part for network in self._networks for part in network.modules()]
            self._flags = [part.training for part in self._parts]
            self._is_traceless = all(leaves_no_trace(each, *inputs) for each in self._networks)
            self._due = AGAIN * self._num_asked
        return self._is_traceless
