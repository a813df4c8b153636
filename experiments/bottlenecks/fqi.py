"""Fitted Q-iteration with an oracle watching: exact, sampled, or from replay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.bottlenecks.cell import DOMAINS, Cell
from experiments.bottlenecks.networks import StackedNetwork, build
from experiments.bottlenecks.oracle import Oracle
from experiments.bottlenecks.weightings import Weighting, entropy, shift
from qdiverge.mdp import Sampler, soft_maximum

DIVERGED = 10.0  # max|Q| over max|Q*| (Fu et al., section 4)
LIMIT = 1e5  # beyond, Q is clipped as in the authors' code
REWEIGH_EVERY = 5  # gradient steps, for weightings that follow the errors
SNAPSHOT_EVERY = 10  # gradient steps between an oracle's looks


@dataclass
class Data:
    """Transitions seen so far, ``[B, n]`` each."""

    states: np.ndarray
    actions: np.ndarray
    nexts: np.ndarray

    def more(self, other: Data) -> Data:
        """Return both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Data(*(np.concatenate(pair, axis=1) for pair in pairs))


def run_cell(cell: Cell) -> list[dict[str, float | bool | list[float]]]:
    """Run fitted Q-iteration and return one dict of measures for each seed.

    Errors are mean |·| over the pairs that are not terminal, divided by max |Q*|.
    """
    oracle = Oracle.of(DOMAINS[cell.domain](), cell.temperature)
    mdp, B = oracle.mdp, cell.num_seeds
    features = torch.tensor(mdp.features, dtype=torch.float32)
    network, inputs = build(cell.network, features, mdp.num_actions, B)
    optimizer = torch.optim.Adam(network.parameters, cell.learning_rate)
    sampler, weighting = Sampler(mdp, seed=0), Weighting(cell.weighting, oracle)
    q, data = _table(network, inputs, oracle), None
    scale = np.abs(oracle.q_star).max()
    curves: dict[str, list[np.ndarray]] = {}
    before = None
    for _ in range(cell.num_iterations):
        target = oracle.backup(q)
        if cell.smoothing < 1:
            target = cell.smoothing * target + (1 - cell.smoothing) * q
        if cell.algorithm == "exact":
            weighting.begin(q)
            fitted, rho, loss = _fit_exact(
                cell, oracle, network, inputs, optimizer, target, weighting
            )
        else:
            new, rho = _collect(sampler, oracle.visits(q), cell.num_samples)
            data = new if data is None or cell.algorithm == "sampled" else data.more(new)
            fitted, loss = _fit_samples(
                cell, oracle, network, inputs, optimizer, q, target, data, rho, sampler.rng
            )
        after = np.clip(np.nan_to_num(fitted, nan=LIMIT), -LIMIT, LIMIT)
        measured = {
            "fqi_error": _mean_error(oracle, after - oracle.q_star) / scale,
            "fit_error": _mean_error(oracle, after - target) / scale,
            "q_ratio": np.abs(after).max((1, 2)) / scale,
            "returns": oracle.returns(after),
            "train_loss": loss / scale**2,
            "validation_loss": (rho * (after - target) ** 2).sum((1, 2)) / scale**2,
            "entropy": entropy(rho),
            "shift": np.zeros(B) if before is None else shift(rho, before),
        }
        for name, value in measured.items():
            curves.setdefault(name, []).append(value)
        q, before = after, rho
    return [_summary({k: np.array(v)[:, b] for k, v in curves.items()}) for b in range(B)]


def projection_error(cell: Cell, num_steps: int = 2_000) -> list[float]:
    """Return mean |Q* − ΠQ*| / max |Q*| of each seed: what the network could do with the answer."""
    oracle = Oracle.of(DOMAINS[cell.domain](), cell.temperature)
    features = torch.tensor(oracle.mdp.features, dtype=torch.float32)
    network, inputs = build(cell.network, features, oracle.mdp.num_actions, cell.num_seeds)
    optimizer = torch.optim.Adam(network.parameters, cell.learning_rate)
    target = torch.tensor(oracle.q_star, dtype=torch.float32)
    mask = torch.tensor(~oracle.mdp.terminal, dtype=torch.float32)[:, None]
    for _ in range(num_steps):
        _step(optimizer, (mask * (network(inputs) - target) ** 2).mean((1, 2)).sum())
    q = _table(network, inputs, oracle)
    return (_mean_error(oracle, q - oracle.q_star) / np.abs(oracle.q_star).max()).tolist()


def _fit_exact(
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
    first = rho = None
    for step in range(cell.gradient_steps):
        if rho is None or (follows_errors and step % REWEIGH_EVERY == 0):
            errors = np.abs(_table(network, inputs, oracle) - target)
            rho = weighting(errors, lambda: network.hidden(inputs).detach().numpy())
            first = rho if first is None else first
            weights = torch.tensor(rho, dtype=torch.float32)
        losses = (weights * (network(inputs) - y) ** 2).sum((1, 2))
        _step(optimizer, losses.sum())
        watch.look(step, lambda: _table(network, inputs, oracle), rho)
    return watch.chosen(_table(network, inputs, oracle)), first, losses.detach().numpy()


def _fit_samples(
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
    for step in range(cell.gradient_steps):
        kept = np.arange(num)[None].repeat(len(q), 0)
        if cell.algorithm == "replay":
            kept = rng.integers(0, num, (len(q), cell.batch_size))
        states = torch.tensor(data.states[rows, kept])
        actions = torch.tensor(data.actions[rows, kept])
        aims = torch.tensor(y[rows, kept], dtype=torch.float32)
        chosen = torch.gather(
            inputs, 1, states[..., None].expand(-1, -1, inputs.shape[2])
        )  # [B, n, k]
        predicted = network(chosen).gather(2, actions[..., None])[..., 0]
        losses = ((predicted - aims) ** 2).mean(1)
        _step(optimizer, losses.sum())
        watch.look(step, lambda: _table(network, inputs, oracle), rho)
    return watch.chosen(_table(network, inputs, oracle)), losses.detach().numpy()


class _Watch:
    """The oracle that picks the best snapshot of a fit, by Bellman error or by return."""

    def __init__(self, cell: Cell, oracle: Oracle, target: np.ndarray) -> None:
        self.cell, self.oracle, self.target = cell, oracle, target
        self.score = np.full(cell.num_seeds, np.inf)
        self.best = target

    def look(self, step: int, table, rho: np.ndarray) -> None:
        """Compare a snapshot, every few steps."""
        if self.cell.stopping == "none" or (step + 1) % SNAPSHOT_EVERY:
            return
        q = table()
        if self.cell.stopping == "bellman":
            score = (rho * (q - self.target) ** 2).sum((1, 2))
        else:
            score = -self.oracle.returns(q)
        better = (score < self.score)[:, None, None]
        self.best, self.score = np.where(better, q, self.best), np.fmin(score, self.score)

    def chosen(self, last: np.ndarray) -> np.ndarray:
        """Return the table to go on with."""
        return last if self.cell.stopping == "none" else self.best


def _collect(sampler: Sampler, visits: np.ndarray, num: int) -> tuple[Data, np.ndarray]:
    """Draw pairs from the exact visits of each seed's policy, and their successors."""
    flat = visits.reshape(len(visits), -1).cumsum(1)
    drawn = sampler.rng.random((len(visits), num)) * flat[:, -1:]
    pairs = np.stack(
        [np.searchsorted(c, u, side="right") for c, u in zip(flat, drawn, strict=True)]
    )
    pairs = np.minimum(pairs, flat.shape[1] - 1)
    states, actions = pairs // visits.shape[2], pairs % visits.shape[2]
    return Data(states, actions, sampler.next_states(states, actions)), visits


def _table(network: StackedNetwork, inputs: Tensor, oracle: Oracle) -> np.ndarray:
    """Return Q [B, S, A], 0 at terminal states."""
    with torch.no_grad():
        return network(inputs).numpy().astype(float) * ~oracle.mdp.terminal[:, None]


def _soft_values(oracle: Oracle, q: np.ndarray) -> np.ndarray:
    return soft_maximum(q, oracle.temperature) * ~oracle.mdp.terminal


def _mean_error(oracle: Oracle, difference: np.ndarray) -> np.ndarray:
    return np.abs(difference)[:, ~oracle.mdp.terminal].mean((1, 2))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _summary(curves: dict[str, np.ndarray]) -> dict[str, float | bool | list[float]]:
    """Return the mean of each measure over the last sixth, and what happened on the way."""
    last = max(1, len(curves["returns"]) // 6)
    summary: dict[str, float | bool | list[float]] = {
        name: float(curve[-last:].mean()) for name, curve in curves.items()
    }
    summary["diverged"] = bool((curves["q_ratio"] > DIVERGED).any())
    summary["best_returns"] = float(curves["returns"].max())
    every = max(1, len(curves["returns"]) // 12)
    summary["fqi_error_curve"] = [float(f"{x:.4g}") for x in curves["fqi_error"][::every]]
    return summary
