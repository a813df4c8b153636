"""Networks as the monitor calls them, around those of a framework; parameters are shared."""

import torch
from torch import Tensor, nn


class First(nn.Module):
    """The first of several outputs: of a network that returns (values, hidden state), the values.

    >>> class Net(nn.Module):
    ...     def forward(self, observations): return 2 * observations, None
    >>> First(Net())(torch.ones(1, 2))
    tensor([[2., 2.]])
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the first output."""
        value: Tensor = self.module(*inputs)[0]
        return value


class MeanOverQuantiles(nn.Module):
    """Q(s, a) of a distribution's quantiles, their mean (Dabney et al. 2018, arXiv:1710.10044).

    Args:
        module: Returns quantiles.
        dim: Of the quantiles in what it returns.
    """

    def __init__(self, module: nn.Module, dim: int) -> None:
        super().__init__()
        self.module, self.dim = module, dim

    def forward(self, observations: Tensor) -> Tensor:
        """Return Q-values, [N, A]."""
        quantiles: Tensor = self.module(observations)
        return quantiles.mean(dim=self.dim)


class LeastOf(nn.Module):
    """The least of several critics, for a critic that bootstraps from it but is trained alone.

    Args:
        first: The target of the critic that is watched; it alone is a part of this module.
        others: The other targets.

    >>> class Sum(nn.Module):
    ...     def forward(self, s, a): return s + a
    >>> class Difference(nn.Module):
    ...     def forward(self, s, a): return s - a
    >>> LeastOf(Sum(), Difference())(torch.ones(1), torch.full((1,), 3.0))
    tensor([-2.])
    """

    def __init__(self, first: nn.Module, *others: nn.Module) -> None:
        super().__init__()
        self.first = first
        self._others = others  # a tuple: their parameters are not those of the critic

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return min_c Q_c(s, a)."""
        values = [module(observations, actions) for module in (self.first, *self._others)]
        return torch.stack(values).amin(dim=0)
