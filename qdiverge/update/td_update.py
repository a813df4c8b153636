"""One TD update as DQN, DDPG, TD3 and SAC make it: the loss of a batch, a step, the target.

y = r + γ(1 − d) Q_e(s', a*),   or of critics  y = r + γ(1 − d) min_c Q_c⁻(s', a')

minimise Σ_c mean_i ℓ(Q_c(s_i, a_i), y_i), then  θ⁻ ← (1 − τ)θ⁻ + τθ where τ is given
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from qdiverge.batch_reading import as_transitions, row_discounts, row_weights
from qdiverge.calling import policy_parts
from qdiverge.td import Bootstrap, backup, bootstrap_values, td_targets, values_of
from qdiverge.transitions import SarsaTransitions, Transitions, next_action_missing, without_ends
from qdiverge.update.copies import Copies

Loss = Callable[[Tensor, Tensor], Tensor]  # of predictions and targets, [N] each
LOSSES: dict[str, Loss] = {
    "huber": functional.smooth_l1_loss,
    "half_squared": lambda q, y: functional.mse_loss(q, y) / 2,
    "squared": functional.mse_loss,
}
ROW_LOSSES: dict[str, Loss] = {  # the same, of each row
    "huber": lambda q, y: functional.smooth_l1_loss(q, y, reduction="none"),
    "half_squared": lambda q, y: (q - y).square() / 2,
    "squared": lambda q, y: (q - y).square(),
}


FIELDS = ("observations", "actions", "rewards", "next_observations", "terminated")


@dataclass(frozen=True, eq=False)
class Rows:
    """A batch as an update takes it.

    Attributes:
        transitions: N of them.
        weights: Importance weights, [N]; None: 1.
        discounts: γ^k of each, [N]; None: γ.
    """

    transitions: Transitions
    weights: Tensor | None = None
    discounts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.transitions)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Rows":
        """Return the same with each tensor changed."""
        own = self.transitions
        moved = type(own)(*(change(getattr(own, field.name)) for field in fields(own)))
        others = (None if x is None else change(x) for x in (self.weights, self.discounts))
        return Rows(moved, *others)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Rows":
        """Return the same on a device, what is floating point in ``dtype``; fit to learn from."""

        def moved(x: Tensor) -> Tensor:
            x = x.to(device, dtype if x.is_floating_point() else x.dtype)
            return x.clone() if x.is_inference() else x

        return self.map(moved)

    def join(self, other: "Rows") -> "Rows":
        """Return these rows followed by ``other``'s."""
        weights, discounts = (
            None if a is None or b is None else torch.cat([a, b])
            for a, b in ((self.weights, other.weights), (self.discounts, other.discounts))
        )
        return Rows(self.transitions.join(other.transitions), weights, discounts)


def rows_of(batch: Any) -> Rows:
    """Read a batch of any library: transitions, and the weights and γ^k that it may have."""
    if isinstance(batch, Rows):
        return batch
    transitions = without_ends(as_transitions(batch))
    return Rows(transitions, row_weights(batch), row_discounts(batch))


@dataclass(frozen=True)
class TdUpdate:
    """The update; called with copies and a batch, it moves the copies.

    Attributes:
        discount: γ.
        loss: ℓ, the mean over a batch.
        bootstrap: Who selects and who evaluates a* of a Q-network.
        polyak: τ; None: the target is left alone.
        max_grad_norm: Where the norm of the gradient is clipped; None: nowhere.
        factor: What ℓ is multiplied by.
    """

    discount: float
    loss: Loss
    bootstrap: Bootstrap
    polyak: float | None = None
    max_grad_norm: float | None = None
    factor: float = 1.0

    def __call__(self, copies: Copies, batch: Transitions | Rows) -> None:
        """Make one update."""
        (optimizer,) = copies.optimizers
        rows = batch if isinstance(batch, Rows) else Rows(batch)
        targets, predictions = self.targets(copies, rows), self.predictions(copies, rows)
        optimizer.zero_grad()
        losses = [self._loss(q, targets, rows.weights) for q in predictions]
        whole = torch.stack(losses).sum()
        (whole if self.factor == 1 else self.factor * whole).backward()
        if self.max_grad_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
        optimizer.step()
        if self.polyak is not None:
            average(copies, self.polyak)

    def _loss(self, q: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
        """Return mean_i w_i ℓ(q_i, y_i)."""
        if weights is None:
            return self.loss(q, y)
        row_losses = (ROW_LOSSES[name] for name, loss in LOSSES.items() if loss is self.loss)
        if (each := next(row_losses, None)) is None:
            losses = torch.stack([self.loss(a, b) for a, b in zip(q, y, strict=True)])
        else:
            losses = each(q, y)
        return (weights * losses).mean()

    @torch.no_grad()
    def targets(self, copies: Copies, rows: Rows) -> Tensor:
        """Return y, [N]."""
        batch, γ = rows.transitions, self.discount if rows.discounts is None else rows.discounts
        s_next, d = batch.next_observations, batch.terminated.bool()
        slow = copies.targets or copies.networks
        if isinstance(batch, SarsaTransitions):
            value = torch.stack(critic_values(slow, s_next, batch.next_actions)).amin(0)
            return backup(batch.rewards, d, γ, value)
        if batch.actions.is_floating_point():
            raise next_action_missing()
        values, actions = bootstrap_values(self.bootstrap, copies.networks[0], slow[0], s_next)
        return td_targets(batch.rewards, d, values, γ, actions)

    def predictions(self, copies: Copies, rows: Rows) -> list[Tensor]:
        """Return Q_c(s, a) of each critic, [N] each."""
        batch = rows.transitions
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
        average_one(slow, online, polyak)


@torch.no_grad()
def average_one(slow: nn.Module, online: nn.Module, polyak: float) -> None:
    """Move the parameters of one network towards another's; τ = 1 copies all, buffers too."""
    if polyak == 1:
        slow.load_state_dict(online.state_dict())
        return
    for own, other in zip(slow.parameters(), online.parameters(), strict=True):
        own.lerp_(other, polyak)


def with_next_actions(
    batch: Transitions, answer: Any, discount: float | Tensor, entropy_coefficient: float
) -> SarsaTransitions:
    """Return a critic's batch with the a' that its policy answered, −γ(1 − d) η log π in r."""
    actions, log_probs = policy_parts(answer, len(batch))
    fields = {name: getattr(batch, name) for name in FIELDS}
    if log_probs is not None:
        bonus = -entropy_coefficient * log_probs.to(batch.rewards)
        fields["rewards"] = backup(batch.rewards, batch.terminated.bool(), discount, bonus)
    return SarsaTransitions(**fields, next_actions=actions)
