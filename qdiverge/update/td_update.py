"""One TD update as DQN, DDPG, TD3 and SAC make it: the loss of a batch, a step, the target.

y = r + γ(1 − d) Q_e(s', a*),   or of critics  y = r + γ(1 − d) min_c Q_c⁻(s', a')

minimise Σ_c mean_i ℓ(Q_c(s_i, a_i), y_i), then  θ⁻ ← (1 − τ)θ⁻ + τθ where τ is given
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from qdiverge.errors import InvalidValueError
from qdiverge.td import Bootstrap, backup, bootstrap_values, td_targets, values_of
from qdiverge.transitions import SarsaTransitions, Transitions
from qdiverge.update.copies import Copies

Loss = Callable[[Tensor, Tensor], Tensor]  # of predictions and targets, [N] each
LOSSES: dict[str, Loss] = {
    "huber": functional.smooth_l1_loss,
    "half_squared": lambda q, y: functional.mse_loss(q, y) / 2,
    "squared": functional.mse_loss,
}


@dataclass(frozen=True)
class TdUpdate:
    """The update; called with copies and a batch, it moves the copies.

    Attributes:
        discount: γ.
        loss: ℓ, the mean over a batch.
        bootstrap: Who selects and who evaluates a* of a Q-network.
        polyak: τ; None: the target is left alone.
        max_grad_norm: Where the norm of the gradient is clipped; None: nowhere.
    """

    discount: float
    loss: Loss
    bootstrap: Bootstrap
    polyak: float | None = None
    max_grad_norm: float | None = None

    def __call__(self, copies: Copies, batch: Transitions) -> None:
        """Make one update."""
        (optimizer,) = copies.optimizers
        targets, predictions = self._targets(copies, batch), self._predictions(copies, batch)
        optimizer.zero_grad()
        torch.stack([self.loss(q, targets) for q in predictions]).sum().backward()
        if self.max_grad_norm is not None:
            held = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(held, self.max_grad_norm)
        optimizer.step()
        if self.polyak is not None:
            average(copies, self.polyak)

    @torch.no_grad()
    def _targets(self, copies: Copies, batch: Transitions) -> Tensor:
        s_next, d = batch.next_observations, batch.terminated.bool()
        slow = copies.targets or copies.networks
        if isinstance(batch, SarsaTransitions):
            value = torch.stack(critic_values(slow, s_next, batch.next_actions)).amin(0)
            return backup(batch.rewards, d, self.discount, value)
        if batch.actions.is_floating_point():
            raise InvalidValueError(
                "a critic's target needs the next action",
                got="neither policy=… nor next_actions in the batch",
                remedy="Pass policy=target_policy, a callable s' → a'.",
            )
        values, actions = bootstrap_values(self.bootstrap, copies.networks[0], slow[0], s_next)
        return td_targets(batch.rewards, d, values, self.discount, actions)

    def _predictions(self, copies: Copies, batch: Transitions) -> list[Tensor]:
        if isinstance(batch, SarsaTransitions):
            return critic_values(copies.networks, batch.observations, batch.actions)
        return [values_of(copies.networks[0](batch.observations), batch.actions)]


def critic_values(
    critics: tuple[nn.Module, ...], observations: Tensor, actions: Tensor
) -> list[Tensor]:
    """Return Q_c(s, a), [N] each, of critics with one value or a tuple of them.

    >>> class Twin(nn.Module):
    ...     def forward(self, s, a): return s + a, s - a
    >>> critic_values((Twin(),), torch.ones(1, 1), torch.full((1, 1), 3.0))
    [tensor([4.]), tensor([-2.])]
    """
    answers = [critic(observations, actions) for critic in critics]
    values = [v for a in answers for v in (a if isinstance(a, tuple | list) else (a,))]
    return [value.reshape(-1) for value in values]


@torch.no_grad()
def average(copies: Copies, polyak: float) -> None:
    """Move the parameters of the targets: θ⁻ ← (1 − τ)θ⁻ + τθ."""
    for slow, online in zip(copies.targets, copies.networks, strict=True):
        for own, other in zip(slow.parameters(), online.parameters(), strict=True):
            own.lerp_(other, polyak)
