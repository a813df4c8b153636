"""Four planted bugs of a Q-learning loop, each named from one gradient."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import qdiverge as qd

DISCOUNT = 0.99
Network = Callable[[Tensor], Tensor]


def sound(online: Network, target: Network, data: qd.Transitions) -> Tensor:
    """Return the loss of DQN as it is meant."""
    with torch.no_grad():
        after = target(data.next_observations).amax(1)
        goal = data.rewards + DISCOUNT * (1 - data.terminated) * after
    q = online(data.observations).gather(1, data.actions[:, None]).squeeze(1)
    return nn.functional.smooth_l1_loss(q, goal)


def no_mask(online: Network, target: Network, data: qd.Transitions) -> Tensor:
    """Forget (1 − done)."""
    with torch.no_grad():
        goal = data.rewards + DISCOUNT * target(data.next_observations).amax(1)
    q = online(data.observations).gather(1, data.actions[:, None]).squeeze(1)
    return nn.functional.smooth_l1_loss(q, goal)


def own_target(online: Network, target: Network, data: qd.Transitions) -> Tensor:
    """Bootstrap from the network that learns, although there is a target network."""
    return sound(online, online, data)


def broadcast(online: Network, target: Network, data: qd.Transitions) -> Tensor:
    """Subtract a [B, 1] from a [B]."""
    with torch.no_grad():
        after = target(data.next_observations).amax(1)
        goal = data.rewards + DISCOUNT * (1 - data.terminated) * after
    q = online(data.observations).gather(1, data.actions[:, None])
    return (q - goal).square().mean()


def no_stop_gradient(online: Network, target: Network, data: qd.Transitions) -> Tensor:
    """Let the gradient flow into the target."""
    after = online(data.next_observations).amax(1)
    goal = data.rewards + DISCOUNT * (1 - data.terminated) * after
    q = online(data.observations).gather(1, data.actions[:, None]).squeeze(1)
    return nn.functional.mse_loss(q, goal)


LOSSES = (sound, no_mask, own_target, broadcast, no_stop_gradient)


def main(num_rows: int = 64) -> dict[str, list[str]]:
    """Return what the audit finds in each loop."""
    torch.manual_seed(0)
    data = qd.Transitions(
        observations=torch.randn(num_rows, 4),
        actions=torch.randint(2, (num_rows,)),
        rewards=torch.randn(num_rows),
        next_observations=torch.randn(num_rows, 4),
        terminated=(torch.rand(num_rows) < 0.2).float(),
    )
    q_net, target_net = (
        nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2)) for _ in range(2)
    )
    optimizer = torch.optim.Adam(q_net.parameters(), lr=1e-3)
    found = {}
    for loss in LOSSES:
        optimizer.zero_grad()
        loss(q_net, target_net, data).backward()
        audit = qd.audit(q_net, data, discount=DISCOUNT, target=target_net, optimizer=optimizer)
        found[loss.__name__] = [finding.code for finding in audit.findings]
        said = " ".join(finding.message for finding in audit.findings) or "nothing found"
        print(f"{loss.__name__}: {said}")
    return found


if __name__ == "__main__":
    main()
