"""Q-learning on a fixed batch, with the eigenvalue that decides looked at along the way."""

import math
from typing import Any

import torch
from torch import nn

from experiments.layer_norm.data import num_actions, outward_batch
from experiments.tracing import rounded
from qdiverge.agents.losses import td_loss
from qdiverge.agents.networks import MLP
from qdiverge.diagnostics.moment import Moment
from qdiverge.td import td_errors, td_targets
from qdiverge.transitions import Transitions

DISCOUNT, BOUND = 0.99, 100.0  # rewards are within ±1
HIDDEN = (64, 64)
FAR = 10.0  # times the bound: a run whose max |Q| came so far has diverged
BEYOND = 1e6  # max |Q| at which training stops


def self_excitation(q_net: nn.Module, batch: Transitions) -> tuple[float, float]:
    """Return max Re eig(A)/N and λ_max(K)/N of plain gradient descent at the greedy successors.

    Above 0: some combination of TD errors grows under every small step (Yue et al. 2023).
    """
    moment = Moment(q_net, batch, DISCOUNT, 1.0, 0, None, None)
    K, successors = moment.kernel.double(), moment.successor_kernel.double()
    N = len(batch)
    top = float(torch.linalg.eigvals(successors - K).real.max())
    return top / N, float(torch.linalg.eigvalsh((K + K.T) / 2)[-1]) / N


def train(
    task: str, layer_norm: bool, learning_rate: float, num_updates: int, num_looks: int, seed: int
) -> dict[str, Any]:
    """Train by Adam on the whole batch, without target network; return the series of its looks."""
    batch = outward_batch(task, seed)
    sizes = [batch.observations.shape[1], *HIDDEN, num_actions(task)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q_net = MLP(sizes, layer_norm=layer_norm)
    optimizer = torch.optim.Adam(q_net.parameters(), learning_rate)
    series: dict[str, list[float]] = {
        name: [] for name in ("update", "max_abs_q", "excitation", "relative_excitation")
    }
    for update in range(num_updates + 1):
        q = q_net(batch.observations)
        with torch.no_grad():
            following = q_net(batch.next_observations)
            targets = td_targets(batch.rewards, batch.terminated, following, DISCOUNT)
        largest = float(q.detach().abs().max())
        is_over = not largest < BEYOND
        if update % (num_updates // num_looks) == 0 or is_over:
            series["update"].append(update)
            series["max_abs_q"].append(rounded(largest))
            top, scale = (
                self_excitation(q_net, batch) if math.isfinite(largest) else (math.nan,) * 2
            )
            series["excitation"].append(rounded(top))
            series["relative_excitation"].append(rounded(top / scale))
        if is_over or update == num_updates:
            break
        optimizer.zero_grad()
        td_loss(td_errors(q, batch.actions, targets), "mse").backward()
        optimizer.step()
    return {"diverged": max(series["max_abs_q"]) > FAR * BOUND, **series}
