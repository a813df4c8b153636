"""Twelve architectures of Q-networks and critics, small."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

NUM_INPUTS, NUM_ACTIONS, ACTION_SIZE = 6, 3, 2
SIDE = 12  # of an image


class Dueling(nn.Module):
    """Q = V + A − mean A."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(NUM_INPUTS, 48), nn.ReLU())
        self.value, self.advantage = nn.Linear(48, 1), nn.Linear(48, NUM_ACTIONS)

    def forward(self, s: Tensor) -> Tensor:
        """Return [N, A]."""
        x = self.body(s)
        advantage = self.advantage(x)
        values: Tensor = self.value(x) + advantage - advantage.mean(1, keepdim=True)
        return values


class Residual(nn.Module):
    """Two blocks, each added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(NUM_INPUTS, 32), nn.Linear(32, NUM_ACTIONS)
        self.blocks = nn.ModuleList(nn.Linear(32, 32) for _ in range(2))

    def forward(self, s: Tensor) -> Tensor:
        """Return [N, A]."""
        x = self.first(s)
        for block in self.blocks:
            x = x + block(x).relu()
        values: Tensor = self.last(x)
        return values


class Recurrent(nn.Module):
    """An LSTM over the observation as three steps of two numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(2, 24, batch_first=True), nn.Linear(24, NUM_ACTIONS)

    def forward(self, s: Tensor) -> Tensor:
        """Return [N, A]."""
        values: Tensor = self.last(self.lstm(s.reshape(len(s), 3, 2))[0][:, -1])
        return values


class Critic(nn.Module):
    """Q(s, a)."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(NUM_INPUTS + ACTION_SIZE, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, s: Tensor, a: Tensor) -> Tensor:
        """Return [N, 1]."""
        values: Tensor = self.body(torch.cat([s, a], 1))
        return values


class TwinCritic(nn.Module):
    """Two critics in one module, which returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Critic(), Critic()

    def forward(self, s: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """Return [N, 1] twice."""
        return self.one(s, a), self.two(s, a)


def _mlp(width: int, activation: Callable[[], nn.Module], *, norm: bool = False) -> nn.Module:
    def layer(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, width), *([nn.LayerNorm(width)] if norm else []), activation()]

    return nn.Sequential(*layer(NUM_INPUTS), *layer(width), nn.Linear(width, NUM_ACTIONS))


def _convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (2, SIDE, SIDE)), nn.Conv2d(2, 8, 4, 2), nn.ReLU(),
        nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 32), nn.ReLU(),
        nn.Linear(32, NUM_ACTIONS),
    )  # fmt: skip


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: _mlp(64, nn.ReLU),
    "tanh": lambda: _mlp(64, nn.Tanh),
    "wide": lambda: _mlp(256, nn.ReLU),
    "layer norm": lambda: _mlp(64, nn.ReLU, norm=True),
    "gelu": lambda: _mlp(48, nn.GELU),
    "one layer": lambda: nn.Sequential(
        nn.Linear(NUM_INPUTS, 128), nn.ELU(), nn.Linear(128, NUM_ACTIONS)
    ),
    "dueling": Dueling,
    "residual": Residual,
    "convolutions": _convolutions,
    "lstm": Recurrent,
    "critic": Critic,
    "twin critics": TwinCritic,
}
CRITICS = ("critic", "twin critics")


def input_size(architecture: str) -> int:
    """Return how many numbers an observation has."""
    return 2 * SIDE * SIDE if architecture == "convolutions" else NUM_INPUTS
