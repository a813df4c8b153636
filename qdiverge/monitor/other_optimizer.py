"""See another optimiser take over the network: the watched one was made anew."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from qdiverge.monitor.untraced import untraced

NUM_STEPS = 4  # of the other in a row, without one of the watched: they do not take turns


class OtherOptimizer:
    """Hears the steps of every optimiser, and counts those of one that holds the same parameters.

    Args:
        optimizer: The watched one.
        parameters: What of the networks it trains.
        replaced: Called with the other one, and the number of its steps that were not seen.

    >>> net = torch.nn.Linear(1, 1)
    >>> old, new = (torch.optim.SGD(net.parameters(), lr=0.1) for _ in range(2))
    >>> other = OtherOptimizer(old, list(net.parameters()), lambda opt, num: print(opt is new, num))
    >>> for each in [old, new, new, new, old, new, new, new, new]: each.step()
    True 4
    >>> other.close()
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: list[Tensor],
        replaced: Callable[[torch.optim.Optimizer, int], None],
    ) -> None:
        self._watched, self._parameters = optimizer, parameters
        self._replaced = replaced
        self._num = 0
        myself = weakref.ref(self)  # torch's list of hooks is not to keep a monitor alive

        def hear(stepped: torch.optim.Optimizer, *_: Any) -> None:
            if (hearer := myself()) is not None:
                hearer._hear(stepped)

        self._handle = register_optimizer_step_post_hook(hear)

    def close(self) -> None:
        """Hear no more."""
        self._handle.remove()

    def _hear(self, stepped: torch.optim.Optimizer) -> None:
        if stepped is self._watched:
            self._num = 0
        elif self._holds_all(stepped):
            self._num += 1
            if self._num >= NUM_STEPS:
                num, self._num, self._watched = self._num, 0, stepped
                self._replaced(stepped, num)

    @untraced
    def _holds_all(self, stepped: torch.optim.Optimizer) -> bool:
        own = {id(parameter) for group in stepped.param_groups for parameter in group["params"]}
        return bool(self._parameters) and all(id(p) in own for p in self._parameters)


def held_by(optimizer: torch.optim.Optimizer, networks: Any) -> list[Tensor]:
    """Return the parameters of the networks that an optimiser holds.

    >>> net = torch.nn.Linear(1, 1)
    >>> len(held_by(torch.optim.SGD([net.weight], lr=0.1), [net]))
    1
    """
    own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return [p for network in networks for p in network.parameters() if id(p) in own]
