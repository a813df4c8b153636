"""max_a Q(s, a) over the box [−1, 1]^k, for each state of a batch: no actor, only a critic.

    "cem"       draw actions, fit a Gaussian to the best of them, draw again
    "gradient"  climb ∇_a Q from several random starts, stay in the box

Both return the best action that they have evaluated, so more work never does worse.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

CriticFunction = Callable[[Tensor, Tensor], Tensor]
Values = Callable[[Tensor], Tensor]  # actions [N, M, k] → their Q, [N, M]
Uniform = Callable[[int], Tensor]  # M → actions [N, M, k], uniform in the box
Generator = torch.Generator | None


class Maximiser(ABC):
    """Finds an action of large value for each state."""

    def __call__(
        self,
        critic: CriticFunction,
        observations: Tensor,
        action_size: int,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the actions [N, k] and their values [N]; no gradient goes through.

        Args:
            critic: Q, gives [M] for [M, d] and [M, k].
            observations: [N, d].
            action_size: k.
            generator: Of the draws; None: PyTorch's.
        """

        def uniform(num: int) -> Tensor:
            shape = (len(observations), num, action_size)
            return 2 * torch.rand(shape, generator=generator, device=observations.device) - 1

        best = self._search(partial(_values, critic, observations), uniform, generator)
        return best.actions, best.values

    @abstractmethod
    def _search(self, values: Values, uniform: Uniform, generator: Generator) -> "_Best":
        """Return the best actions that were evaluated."""


@dataclass(frozen=True)
class CrossEntropy(Maximiser):
    """The cross-entropy method (Rubinstein & Kroese 2004) with a diagonal Gaussian.

        draw M actions ~ N(m, diag σ²), clipped to the box;  m, σ ← moments of the n best

    The first draw is uniform over the box. Source: QT-Opt (Kalashnikov et al. 2018,
    arXiv:1806.10293, section 4.2), which uses 2 rounds, M = 64 and n = 6.

    Args:
        num_samples: M.
        num_elites: n.
        num_rounds: Draws, the first included.
    """

    num_samples: int = 64
    num_elites: int = 6
    num_rounds: int = 2

    @torch.no_grad()
    def _search(self, values: Values, uniform: Uniform, generator: Generator) -> "_Best":
        actions = uniform(self.num_samples)
        best = None
        for left in reversed(range(self.num_rounds)):
            best = _better(best, actions, values(actions))
            if left:
                of_elites = best.values_of_draw.topk(self.num_elites, dim=1).indices
                elites = actions.gather(1, of_elites[:, :, None].expand(-1, -1, actions.shape[2]))
                std, mean = torch.std_mean(elites, dim=1, keepdim=True, correction=0)
                noise = torch.randn(actions.shape, generator=generator, device=actions.device)
                actions = (mean + std * noise).clamp(-1.0, 1.0)
        assert best is not None
        return best


@dataclass(frozen=True)
class GradientAscent(Maximiser):
    """Projected ascent: a ← clip(a + h_t g / ‖g‖_∞, −1, 1), g = ∇_a Q, h_t = h (1 − t/T).

    Source: CAQL (Ryu et al. 2020, arXiv:1909.12397, section 4.1) compares gradient ascent with the
    cross-entropy method; the normalised, shrinking step is ours and needs no scale of Q.

    Args:
        num_starts: Uniform in the box; the best end counts.
        num_rounds: T.
        step: h, as a share of half the box.
    """

    num_starts: int = 8
    num_rounds: int = 10
    step: float = 0.3

    def _search(self, values: Values, uniform: Uniform, generator: Generator) -> "_Best":
        actions = uniform(self.num_starts)
        best = None
        for t in range(self.num_rounds):
            with torch.enable_grad():
                actions.requires_grad_(True)
                reached = values(actions)
                (g,) = torch.autograd.grad(reached.sum(), actions)
            actions = actions.detach()
            best = _better(best, actions, reached.detach())
            length = g.abs().amax(dim=2, keepdim=True).clamp(min=1e-12)
            step = self.step * (1 - t / self.num_rounds)
            actions = (actions + step * g / length).clamp(-1.0, 1.0)
        with torch.no_grad():
            return _better(best, actions, values(actions))


@dataclass(frozen=True)
class _Best:
    actions: Tensor  # [N, k]
    values: Tensor  # [N]
    values_of_draw: Tensor  # [N, M], of the last draw


def _values(critic: CriticFunction, observations: Tensor, actions: Tensor) -> Tensor:
    """Return Q of each of M actions in each state, [N, M]."""
    N, M, _ = actions.shape
    repeated = observations.repeat_interleave(M, dim=0)
    return critic(repeated, actions.flatten(0, 1)).view(N, M)


def _better(best: _Best | None, actions: Tensor, values: Tensor) -> _Best:
    """Return the best action of each state, of this draw and those before."""
    top, index = values.max(dim=1)
    chosen = actions[torch.arange(len(actions), device=actions.device), index]
    if best is not None:
        chosen = torch.where((top > best.values)[:, None], chosen, best.actions)
        top = torch.maximum(top, best.values)
    return _Best(chosen, top, values)
