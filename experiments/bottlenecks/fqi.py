"""Fitted Q-iteration with an oracle watching: exact, sampled, or from replay."""

import numpy as np
import torch

from experiments.bottlenecks.cell import DOMAINS, Cell
from experiments.bottlenecks.fits import Data, fit_exact, fit_samples, gradient_step, table
from experiments.bottlenecks.networks import build
from experiments.bottlenecks.oracle import Oracle
from experiments.bottlenecks.weightings import Weighting, entropy, shift
from qdiverge.mdp import Sampler

DIVERGED = 10.0  # max|Q| over max|Q*| (Fu et al., section 4)
LIMIT = 1e5  # beyond, Q is clipped as in the authors' code


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
    q, data = table(network, inputs, oracle), None
    scale = np.abs(oracle.q_star).max()
    curves: dict[str, list[np.ndarray]] = {}
    before = None
    for _ in range(cell.num_iterations):
        target = oracle.backup(q)
        if cell.smoothing < 1:
            target = cell.smoothing * target + (1 - cell.smoothing) * q
        if cell.algorithm == "exact":
            weighting.begin(q)
            fitted, rho, loss = fit_exact(
                cell, oracle, network, inputs, optimizer, target, weighting
            )
        else:
            new, rho = _collect(sampler, oracle.visits(q), cell.num_samples)
            data = new if data is None or cell.algorithm == "sampled" else data.more(new)
            fitted, loss = fit_samples(
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
        gradient_step(optimizer, (mask * (network(inputs) - target) ** 2).mean((1, 2)).sum())
    q = table(network, inputs, oracle)
    return (_mean_error(oracle, q - oracle.q_star) / np.abs(oracle.q_star).max()).tolist()


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


def _mean_error(oracle: Oracle, difference: np.ndarray) -> np.ndarray:
    return np.abs(difference)[:, ~oracle.mdp.terminal].mean((1, 2))


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
