"""A homogeneous ReLU network that learns from a fixed batch, excites itself, and blows up."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.agents.losses import td_loss
from qdiverge.td import td_errors, td_targets

NUM_PAIRS, NUM_FEATURES, NUM_ACTIONS = 64, 8, 2
DISCOUNT = 0.99
AHEAD, NOISE = 1.2, 0.3  # s' = 1.2 s + 0.3 n: successors lie further out than what is learnt
END = 1e6  # mean |Q| at which a run counts as crashed


def network(depth: int, width: int, seed: int) -> nn.Sequential:
    """Make L layers of weights, no biases, so that Q is homogeneous of degree L in them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in pairwise([NUM_FEATURES, *(depth - 1) * [width]]):
            layers += [nn.Linear(before, after, bias=False), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(width, NUM_ACTIONS, bias=False))


def transitions(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw s, a, s' of the batch; every reward is 0, so the true values are, too."""
    draw = torch.Generator().manual_seed(seed)
    s = torch.randn(NUM_PAIRS, NUM_FEATURES, generator=draw)
    next_s = AHEAD * s + NOISE * torch.randn(NUM_PAIRS, NUM_FEATURES, generator=draw)
    return s, torch.randint(NUM_ACTIONS, (NUM_PAIRS,), generator=draw), next_s


def mean_abs_q(
    depth: int, optimizer: str, learning_rate: float, width: int, num_updates: int, seed: int
) -> np.ndarray:
    """Train on the whole batch without a target network.

    Returns:
        mean |Q(s_i, a_i)| before each update; the last is the first beyond ``END``, where one is.
    """
    s, a, next_s = transitions(seed)
    q_net, zero = network(depth, width, seed), torch.zeros(NUM_PAIRS)
    moves = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    weights = moves(q_net.parameters(), learning_rate)
    sizes = []
    for _ in range(num_updates):
        q = q_net(s)
        with torch.no_grad():
            targets = td_targets(zero, zero.bool(), q_net(next_s), DISCOUNT)
        sizes.append(float(q.detach().gather(1, a[:, None]).abs().mean()))
        if not sizes[-1] < END:
            break
        weights.zero_grad()
        td_loss(td_errors(q, a, targets), "mse").backward()
        weights.step()
    return np.array(sizes)
