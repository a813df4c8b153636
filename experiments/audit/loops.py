"""A loop's one update, as people write it, with one bug or none."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from experiments.audit.networks import ACTION_SIZE, ARCHITECTURES, CRITICS, NUM_ACTIONS, input_size
from qdiverge.td import Bootstrap, is_evaluated_online, is_selected_online

DISCOUNT = 0.97
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3),
}
LOSSES = {
    "half_squared": lambda e: e.square().mean() / 2,
    "squared": lambda e: e.square().mean(),
    "huber": lambda e: F.smooth_l1_loss(e, torch.zeros_like(e)),
    "huber, summed": lambda e: F.smooth_l1_loss(e, torch.zeros_like(e), reduction="sum"),
}


@dataclass
class Loop:
    """Networks, data and what the loop does with them; a bug changes one of these.

    Attributes:
        shown: What ``qd.audit`` is given: its batch.
        used: What the loop takes in its place, by field.
    """

    architecture: str
    loss: str = "huber"
    bootstrap: Bootstrap = "target_q"
    optimiser: str = "adam"
    num_rows: int = 32
    seed: int = 0
    discount: float = DISCOUNT
    masks: bool = True
    masks_truncated: bool = False
    stops: bool = True
    broadcasts: bool = False
    used: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.is_critic = self.architecture in CRITICS
        self.q_net = ARCHITECTURES[self.architecture]()
        self.target = self._other(0.3)
        self.bootstraps_from: nn.Module = self.target
        self.actor = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, ACTION_SIZE))
        self.optimizer = OPTIMISERS[self.optimiser](self.q_net.parameters())
        self.shown = self.draw()

    def _other(self, distance: float) -> nn.Module:
        other = copy.deepcopy(self.q_net)
        fresh = ARCHITECTURES[self.architecture]()
        with torch.no_grad():
            for p, new in zip(other.parameters(), fresh.parameters(), strict=True):
                p.lerp_(new, distance)
        return other

    def other_target(self) -> nn.Module:
        """Return a network near the online one that nobody declared."""
        return self._other(0.3)

    def draw(self) -> dict[str, Tensor]:
        """Return a batch: rows 0 to 3 end an episode, 4 and 5 are truncated.

        Their rewards are small, so that Huber does not clip every row that such a bug changes.
        """
        N, size = self.num_rows, input_size(self.architecture)
        a = torch.randn(N, ACTION_SIZE) if self.is_critic else torch.randint(NUM_ACTIONS, (N,))
        ends = torch.rand(N) < 0.15
        cut = torch.rand(N) < 0.2
        ends[:4], ends[4:6], cut[4:6] = True, False, True
        rewards = 1.5 * torch.randn(N)
        rewards[:6] *= 0.2
        return {
            "observations": torch.randn(N, size), "actions": a, "rewards": rewards,
            "next_observations": torch.randn(N, size), "terminated": ends.float(),
            "truncated": (cut & ~ends).float(),
        }  # fmt: skip

    def values(self, net: nn.Module, s: Tensor, a: Tensor) -> list[Tensor]:
        """Return Q(s, a), [N] of each critic."""
        if not self.is_critic:
            return [net(s).gather(1, a[:, None]).squeeze(1)]
        values = net(s, a)
        return [v.squeeze(1) for v in (values if isinstance(values, tuple) else (values,))]

    def following(self, s: Tensor) -> Tensor:
        """Return the value of the successor, [N]."""
        evaluates = self.q_net if is_evaluated_online(self.bootstrap) else self.bootstraps_from
        if self.is_critic:
            with torch.no_grad():
                a = self.actor(s[:, :6])
            return torch.stack(self.values(evaluates, s, a)).amin(0)
        selects = self.q_net if is_selected_online(self.bootstrap) else self.bootstraps_from
        return evaluates(s).gather(1, selects(s).argmax(1, keepdim=True)).squeeze(1)

    def objective(self, shown: dict[str, Tensor]) -> Tensor:
        """Return the loss of a batch as the loop makes it."""
        b = shown | self.used
        mask = 1 - b["terminated"] if self.masks else torch.ones(self.num_rows)
        if self.masks_truncated:
            mask = mask * (1 - b["truncated"])
        with torch.set_grad_enabled(not self.stops):
            y = b["rewards"] + self.discount * mask * self.following(b["next_observations"])
        if self.broadcasts:
            y = y[:, None]
        total = torch.zeros(())
        for q in self.values(self.q_net, b["observations"], b["actions"]):
            errors = q - y
            if "weights" in b:
                total = total + (b["weights"] * F.huber_loss(q, y, reduction="none")).mean()
            else:
                total = total + LOSSES[self.loss](errors)
        return total

    def sound(self) -> Loop:
        """Return the loop, of the same networks and batch, with no bug in its gradient."""
        same = copy.copy(self)
        same.used, same.discount, same.bootstrap = {}, DISCOUNT, "target_q"
        same.masks = same.stops = True
        same.masks_truncated = same.broadcasts = False
        same.bootstraps_from = self.target
        return same

    def train(self, num_updates: int = 3) -> Loop:
        """Take a few sound steps, so that nothing is as it was initialised."""
        for _ in range(num_updates):
            used, self.used = self.used, {}
            self.optimizer.zero_grad()
            self.objective(self.draw()).backward()
            self.optimizer.step()
            self.used = used
        self.optimizer.zero_grad()
        return self

    def backward(self, extra: Tensor | None = None) -> Loop:
        """Leave the gradient of the shown batch."""
        (self.objective(self.shown) + (0 if extra is None else extra)).backward()
        return self

    def options(self) -> dict[str, Any]:
        """Return what ``qd.audit`` is told."""
        told: dict[str, Any] = {
            "discount": DISCOUNT, "target": self.target, "optimizer": self.optimizer
        }  # fmt: skip
        return told | ({"policy": lambda s: self.actor(s[:, :6])} if self.is_critic else {})
