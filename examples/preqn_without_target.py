"""PreQN beside Adam on the same data, both without a target network."""

import torch
from torch import nn

import qdiverge as qd

DISCOUNT, BATCH_SIZE, NUM_ROWS = 0.99, 32, 256


def make_network() -> nn.Module:
    """Return the network that both begin with."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))


def make_data() -> qd.Transitions:
    """Return a data set whose successors lead out of it."""
    torch.manual_seed(0)
    states = torch.randn(NUM_ROWS, 4)
    return qd.Transitions(
        observations=states,
        actions=torch.randint(2, (NUM_ROWS,)),
        rewards=torch.rand(NUM_ROWS),
        next_observations=1.3 * states,
        terminated=torch.zeros(NUM_ROWS),
    )


def train(q_net: nn.Module, optimizer: torch.optim.Optimizer, num_updates: int) -> float:
    """Train by either, and return the largest |Q| at the end."""
    data, generator = make_data(), torch.Generator().manual_seed(2)
    for _ in range(num_updates):
        batch = data.select(torch.randint(NUM_ROWS, (BATCH_SIZE,), generator=generator))
        with torch.no_grad():
            target = batch.rewards + DISCOUNT * q_net(batch.next_observations).amax(1)
        q = q_net(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
        if isinstance(optimizer, qd.PreQN):
            optimizer.step(batch.observations, batch.actions, td_errors=target - q.detach())
        else:
            optimizer.zero_grad()
            nn.functional.mse_loss(q, target).backward()
            optimizer.step()
    return q_net(data.observations).abs().max().item()


def main(num_updates: int = 500) -> dict[str, float]:
    """Return the largest |Q| that each ends with; no policy can earn more than the bound."""
    adam, preqn = make_network(), make_network()
    sizes = {
        "bound": float(make_data().rewards.max()) / (1 - DISCOUNT),
        "Adam": train(adam, torch.optim.Adam(adam.parameters(), lr=1e-2), num_updates),
        "PreQN": train(preqn, qd.PreQN(preqn), num_updates),
    }
    for name, size in sizes.items():
        print(f"{name}: {size:.4g}")
    return sizes


if __name__ == "__main__":
    main()
