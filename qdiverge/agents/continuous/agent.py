"""What all agents of continuous control do alike: the step of the critics on one batch.

    loss = Σ_j mean_i (y_i − Q_j(s_i, a_i))² / 2,    θ⁻ ← θ⁻ + τ (θ − θ⁻)

What y is, what acts and how that learns is the algorithm, and the whole of its file.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.batch_loss import BatchLoss
from qdiverge.agents.continuous.networks import Critic
from qdiverge.agents.continuous.steps import as_array, least
from qdiverge.agents.interfaces import Update
from qdiverge.agents.losses import td_loss
from qdiverge.agents.once import Once
from qdiverge.agents.settings.continuous_config import ContinuousConfig
from qdiverge.agents.targets import follow, slow_copy
from qdiverge.preqn import PreQNStep
from qdiverge.td import backup
from qdiverge.transitions import Transitions


class ContinuousAgent(ABC):
    """Critics, their slow copies and their optimiser; all public, none replaced.

    Attributes:
        critics: Q_j.
        target_critics: Q⁻_j; none where they make their own targets.
        optimizer: Of the critics.
        device: Where they are.
        discount: γ.
        policy_period: Updates of the critics for each of what acts and of the targets.

    Args:
        critics: Used in place.
        optimizer: Over their parameters.
        config: The numbers.
        polyak: τ; None: no target networks.
    """

    policy_period = 1
    critics = Once[tuple[Critic, ...]]()
    target_critics = Once[tuple[Critic, ...]]()
    optimizer = Once[torch.optim.Optimizer]()

    def __init__(
        self,
        critics: Sequence[Critic],
        optimizer: torch.optim.Optimizer,
        config: ContinuousConfig,
        polyak: float | None,
    ) -> None:
        self.critics = tuple(critics)
        self.optimizer = optimizer
        self.discount, self.polyak = config.discount, polyak
        self.device = next(self.critics[0].parameters()).device
        copied = self.critics if polyak is not None else ()
        self.target_critics = tuple(slow_copy(critic) for critic in copied)
        self._noise = torch.Generator(self.device).manual_seed(config.seed)

    @property
    def q_network(self) -> nn.Module:
        """Return the first critic."""
        return self.critics[0]

    @property
    def target_network(self) -> nn.Module | None:
        """Return its slow copy, where there is one."""
        return self.target_critics[0] if self.target_critics else None

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Return all that has weights, by its role."""
        fast = {f"critic_{j}": critic for j, critic in enumerate(self.critics, 1)}
        slow = {f"target_critic_{j}": critic for j, critic in enumerate(self.target_critics, 1)}
        return fast | slow | dict(self._others())

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Return all of them, that of the critics first."""
        return [self.optimizer]

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return every parameter that an optimiser may move, by its name."""
        return {
            f"{role}.{name}": parameter
            for role, network in self.networks.items()
            for name, parameter in network.named_parameters()
            if parameter.requires_grad
        }

    def playing_weights(self) -> dict[str, Tensor]:
        """Return what an evaluation plays with: every weight, named by role."""
        return {
            f"{role}.{name}": tensor
            for role, network in self.networks.items()
            for name, tensor in network.state_dict().items()
        }

    def load_playing_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of another agent of this make.

        Args:
            weights: As :meth:`playing_weights` gives them; copied.
        """
        for role, network in self.networks.items():
            own = {
                k.removeprefix(f"{role}."): v
                for k, v in weights.items()
                if k.startswith(f"{role}.")
            }
            network.load_state_dict(own)

    @torch.no_grad()
    def act(self, observations: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the actions that the agent is evaluated by.

        Args:
            observations: [E, d].

        Returns:
            [E, k], in [−1, 1].
        """
        return as_array(self.best_actions(self._as_tensor(observations)))

    @abstractmethod
    def explore(
        self, observations: NDArray[np.generic], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the actions of the behaviour policy.

        Args:
            observations: [E, d].
            noise: Standard normal, [E, k].

        Returns:
            [E, k], in [−1, 1].
        """

    @abstractmethod
    def best_actions(self, observations: Tensor) -> Tensor:
        """Return μ(s), [N, k]: of the policy that is evaluated."""

    @abstractmethod
    def next_actions(self, observations: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return a' [N, k] of the targets, or (a', log π), by PyTorch's draws; for who looks on."""

    @abstractmethod
    def following(self, batch: Transitions) -> Tensor:
        """Return V(s'_i), [N], what the targets bootstrap from."""

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """Return y = R + γ (1 − d) V(s'), [N]: what every Q_j(s_i, a_i) should be; no gradient."""
        V = self.following(batch)
        return backup(batch.rewards, batch.terminated, self.discount, V)

    @abstractmethod
    def improve(self, batch: Transitions) -> Mapping[str, float]:
        """Let what acts learn from the critics.

        Returns:
            Its losses by name; where one is not finite, it took no step.
        """

    @property
    def entropy_coefficient(self) -> float:
        """Return α of a soft critic."""
        return 0.0

    @torch.no_grad()
    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return min_j Q_j(s, a), [N]."""
        return least(self.critics, observations, actions)

    def values_of(self, batch: Transitions) -> Tensor:
        """Return Q_1(s_i, a_i) of a batch, [N]."""
        with torch.no_grad():
            values: Tensor = self.critics[0](batch.observations, batch.actions)
        return values

    def update(self, batch: Transitions, number: int = 1) -> Update:
        """Take one step of the critics, and in time of the rest; none where a loss is not finite.

        Args:
            batch: N transitions.
            number: Of the update, from 1.

        Returns:
            What the step saw, all of it from before it.
        """
        y = self.targets(batch)  # [N]
        q_values = [critic(batch.observations, batch.actions) for critic in self.critics]
        losses = [td_loss(y - q, "mse") for q in q_values]
        loss = torch.stack(losses).sum()
        q, errors = q_values[0].detach(), (y - q_values[0]).detach()
        critic_update = BatchLoss.of(loss, errors, errors, q, q).read()
        total, numbers, preqn = critic_update.loss, dict[str, float](), None
        if critic_update.is_finite:
            has_stepped, preqn = self._step(batch, errors, loss)
            total = total if has_stepped else math.nan
        if math.isfinite(total) and number % self.policy_period == 0:
            numbers = dict(self.improve(batch))
            total = next((x for x in numbers.values() if not math.isfinite(x)), total)
            self._follow()
        is_finite = math.isfinite(total)
        return replace(critic_update, loss=total, is_finite=is_finite, preqn=preqn, numbers=numbers)

    def after_step(self, step: int) -> None:  # noqa: B027
        """Do nothing: targets move a little after each update, see ``update``."""

    @torch.no_grad()
    def best(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return min_j Q_j(s, μ(s)), [N], and μ(s), [N, k], without noise.

        Of SAC's soft critics the value is that with the entropies to come.
        """
        actions = self.best_actions(observations)
        return self.values(observations, actions), actions.nan_to_num(nan=0.0)

    @property
    def _bootstrap(self) -> Critic:
        """Return the first target critic; without any the first critic."""
        return (self.target_critics or self.critics)[0]

    def _step(
        self, batch: Transitions, errors: Tensor, loss: Tensor
    ) -> tuple[bool, PreQNStep | None]:
        """Move the critics; whether that went well."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return True, None

    def _follow(self) -> None:
        for slow, fast in self._slow_and_fast():
            follow(slow, fast, self.polyak or 0.0)

    def _slow_and_fast(self) -> list[tuple[nn.Module, nn.Module]]:
        return list(zip(self.target_critics, self.critics, strict=False))

    def _others(self) -> Mapping[str, nn.Module]:
        """Return networks beside the critics, by their role."""
        return {}

    def _as_tensor(self, observations: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(observations).to(self.device)

    def _standard_normal(self, like: Tensor) -> Tensor:
        """Draw normal noise of the agent's own, of the shape of ``like``."""
        return torch.randn(like.shape, generator=self._noise, device=self.device)
