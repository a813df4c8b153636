"""The kernel of a critic as it starts: its diagonal and its row ratio on observations of Ant."""

import functools
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import qdiverge as qd
from qdiverge.agents.networks.activations import ACTIVATIONS

NUM_PAIRS = 256
SPACING = 4  # agent steps of random play between two pairs
SEEDS = range(5)


# Variance of a weight: 1/(3 n) with n inputs, and 2/(n + m) with m outputs, biases zero.
STARTS = ("pytorch", "glorot")


class Critic(nn.Module):
    """Q(s, a) of a multilayer network.

    Args:
        num_inputs: Numbers in s and a together.
        width: Of each hidden layer.
        depth: Hidden layers.
        activation: One of :data:`ACTIVATIONS`.
        start: One of :data:`STARTS`.
    """

    def __init__(
        self, num_inputs: int, width: int, depth: int, activation: str, start: str
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise([num_inputs, *depth * [width]]):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))
        for layer in self.layers if start == "glorot" else ():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return Q [N]."""
        return self.layers(torch.cat([observations, actions], 1)).squeeze(1)


def measure(width: int, depth: int, activation: str, start: str) -> dict[str, list[float]]:
    """Return K_ii and R_i = (1/N) Σ_{j≠i} |K_ij| / K_ii, averaged over the pairs, seed by seed."""
    s, a = pairs()
    measures: dict[str, list[float]] = {"diagonal": [], "row_ratio": [], "fraction_holding": []}
    for seed in SEEDS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            critic = Critic(s.shape[1] + a.shape[1], width, depth, activation, start)
        K = qd.NTK(critic).kernel(s, a)
        report = qd.check_contraction(K, discount=0.99, learning_rate=1e-6)
        measures["diagonal"].append(float(K.diagonal().mean()))
        measures["row_ratio"].append(report.mean_row_ratio)
        measures["fraction_holding"].append(report.fraction_holding)
    return measures


@functools.cache
def pairs() -> tuple[Tensor, Tensor]:
    """Draw pairs of Ant-v5 under uniformly random actions, float32 [N, 105] and [N, 8]."""
    import gymnasium

    task, rng = gymnasium.make("Ant-v5"), np.random.default_rng(0)
    box: Any = task.action_space
    s, states, actions = task.reset(seed=0)[0], [], []
    for step in range(SPACING * NUM_PAIRS):
        a = rng.uniform(box.low, box.high)
        if step % SPACING == 0:
            states.append(s)
            actions.append(a)
        s, _, terminated, truncated, _ = task.step(a)
        if terminated or truncated:
            s, _ = task.reset()
    task.close()
    return (
        torch.from_numpy(np.array(states, dtype=np.float32)),
        torch.from_numpy(np.array(actions, dtype=np.float32)),
    )
