"""One fit of the network to backed-up values, by Adam: every pair weighted, or samples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.bottlenecks.cell import Cell
from experiments.bottlenecks.networks import StackedNetwork
from experiments.bottlenecks.oracle import Oracle
from experiments.bottlenecks.weightings import Weighting
from qdiverge.mdp import soft_maximum

REWEIGH_EVERY = 5  # gradient steps, for weightings that follow the errors
SNAPSHOT_EVERY = 10  # gradient steps between an oracle's looks


@dataclass
class Data:
    """Transitions seen so far, ``[B, n]`` each."""

    states: np.ndarray
    actions: np.ndarray
    nexts: np.ndarray

    def more(self, other: "Data") -> "Data":
        """Return both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Data(*(np.concatenate(pair, axis=1) for pair in pairs))


def fit_exact(
    cell: Cell,
    oracle: Oracle,
    network: StackedNetwork,
    inputs: Tensor,
    optimizer: torch.optim.Optimizer,
    target: np.ndarray,
    weighting: Weighting,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit every pair under the weighting; return Q, the first weights and the last loss [B]."""
    y = torch.tensor(target, dtype=torch.float32)
    follows_errors = cell.weighting in ("prioritised", "adversarial", "afm")
    watch = _Watch(cell, oracle, target)

    def weigh() -> np.ndarray:
        errors = np.abs(table(network, inputs, oracle) - target)
        return weighting(errors, lambda: network.hidden(inputs).detach().numpy())

    first = rho = weigh()
    for count in range(cell.gradient_steps):
        if follows_errors and count and count % REWEIGH_EVERY == 0:
            rho = weigh()
        weights = torch.tensor(rho, dtype=torch.float32)
        losses = (weights * (network(inputs) - y) ** 2).sum((1, 2))
        gradient_step(optimizer, losses.sum())
        watch.look(count, lambda: table(network, inputs, oracle), rho)
    return watch.chosen(table(network, inputs, oracle)), first, losses.detach().numpy()


def fit_samples(
    cell: Cell,
    oracle: Oracle,
    network: StackedNetwork,
    inputs: Tensor,
    optimizer: torch.optim.Optimizer,
    q: np.ndarray,
    target: np.ndarray,
    data: Data,
    rho: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit sampled targets r + γ(1 − d)V(s'); return Q and the last training loss [B]."""
    mdp, rows = oracle.mdp, np.arange(len(q))[:, None]
    values = _soft_values(oracle, q)
    y = mdp.rewards[data.states, data.actions] + mdp.discount * values[rows, data.nexts]
    if cell.smoothing < 1:
        y = cell.smoothing * y + (1 - cell.smoothing) * q[rows, data.states, data.actions]
    watch, num = _Watch(cell, oracle, target), data.states.shape[1]
    for count in range(cell.gradient_steps):
        chosen_rows = np.arange(num)[None].repeat(len(q), 0)
        if cell.algorithm == "replay":
            chosen_rows = rng.integers(0, num, (len(q), cell.batch_size))
        states = torch.tensor(data.states[rows, chosen_rows])
        actions = torch.tensor(data.actions[rows, chosen_rows])
        aims = torch.tensor(y[rows, chosen_rows], dtype=torch.float32)
        chosen = torch.gather(
            inputs, 1, states[..., None].expand(-1, -1, inputs.shape[2])
        )  # [B, n, k]
        predicted = network(chosen).gather(2, actions[..., None])[..., 0]
        losses = ((predicted - aims) ** 2).mean(1)
        gradient_step(optimizer, losses.sum())
        watch.look(count, lambda: table(network, inputs, oracle), rho)
    return watch.chosen(table(network, inputs, oracle)), losses.detach().numpy()


class _Watch:
    """The oracle that picks the best snapshot of a fit, by Bellman error or by return."""

    def __init__(self, cell: Cell, oracle: Oracle, target: np.ndarray) -> None:
        self.cell, self.oracle, self.target = cell, oracle, target
        self.score = np.full(cell.num_seeds, np.inf)
        self.best = target

    def look(self, count: int, q_now: Callable[[], np.ndarray], rho: np.ndarray) -> None:
        """Compare a snapshot, every few steps."""
        if self.cell.stopping == "none" or (count + 1) % SNAPSHOT_EVERY:
            return
        q = q_now()
        if self.cell.stopping == "bellman":
            score = (rho * (q - self.target) ** 2).sum((1, 2))
        else:
            score = -self.oracle.returns(q)
        better = (score < self.score)[:, None, None]
        self.best, self.score = np.where(better, q, self.best), np.fmin(score, self.score)

    def chosen(self, last: np.ndarray) -> np.ndarray:
        """Return the table to go on with."""
        return last if self.cell.stopping == "none" else self.best


def table(network: StackedNetwork, inputs: Tensor, oracle: Oracle) -> np.ndarray:
    """Return Q [B, S, A], 0 at terminal states."""
    with torch.no_grad():
        return network(inputs).numpy().astype(float) * ~oracle.mdp.terminal[:, None]


def _soft_values(oracle: Oracle, q: np.ndarray) -> np.ndarray:
    return soft_maximum(q, oracle.temperature) * ~oracle.mdp.terminal


def gradient_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
