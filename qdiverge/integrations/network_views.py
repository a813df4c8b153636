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


class OfAllowed(nn.Module):
    """A network judged by the actions that its observations allow.

    Called with observations [N, F + A] whose last A columns are the mask. An action that is not
    allowed has the value of the least that is, so that max, min and |max| are of allowed ones.

    Args:
        module: Called with [N, F]; returns [N, A].
        num_actions: A.

    >>> view = OfAllowed(nn.Identity(), num_actions=3)
    >>> view(torch.tensor([[5.0, 9.0, 2.0, 1.0, 0.0, 1.0]]))  # the second is not allowed
    tensor([[5., 2., 2.]])
    """

    def __init__(self, module: nn.Module, num_actions: int) -> None:
        super().__init__()
        self.module, self.num_actions = module, num_actions

    def forward(self, observations: Tensor) -> Tensor:
        """Return Q-values, [N, A]."""
        s, mask = observations[:, : -self.num_actions], observations[:, -self.num_actions :]
        values, is_allowed = self.module(s), mask != 0
        least = values.masked_fill(~is_allowed, torch.inf).amin(1, keepdim=True)
        return torch.where(is_allowed, values, least)


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
