"""A critic of continuous actions on data that never change: its blow-up is foreseen.

The policy that is valued acts outside of what the data cover, as in offline learning. A copy that
learns in the run's own order is the run, so what it does is what will happen.
"""

from pathlib import Path

import torch
from torch import nn

import qdiverge as qd

DISCOUNT, BATCH_SIZE, NUM_ROWS = 0.99, 64, 1_000


class Critic(nn.Module):
    """Q(s, a) of three numbers and one action."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Return the values [N]."""
        return self.layers(torch.cat([observations, actions], 1)).squeeze(1)


def policy(observations: torch.Tensor) -> torch.Tensor:
    """Act beyond the actions of the data, which lie in [−0.3, 0.3]."""
    return observations[:, :1].sign()


def make_data() -> qd.Transitions:
    """Return a data set of small actions."""
    states = torch.randn(NUM_ROWS, 3)
    actions = 0.6 * torch.rand(NUM_ROWS, 1) - 0.3
    return qd.Transitions(
        observations=states,
        actions=actions,
        rewards=-states.square().mean(1).clamp(max=1),
        next_observations=1.1 * states + actions,
        terminated=torch.zeros(NUM_ROWS),
    )


def main(out: str | Path = "runs/offline-critic", num_updates: int = 1_000) -> qd.Monitor:
    """Train until an alarm of divergence, and return the monitor of the run."""
    torch.manual_seed(0)
    data, critic = make_data(), Critic()
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)

    def draw() -> qd.Transitions:
        return data.select(torch.randint(NUM_ROWS, (BATCH_SIZE,)))

    monitor = qd.attach(
        critic, optimizer=optimizer, discount=DISCOUNT, policy=policy, loss="squared", out=out,
        max_overhead=None, foresight={"data": draw, "fixed": True, "num_updates": num_updates},
    )  # fmt: skip
    with monitor:
        for _ in range(num_updates):
            batch = monitor.batch(draw())
            with torch.no_grad():
                after = critic(batch.next_observations, policy(batch.next_observations))
                target = batch.rewards + DISCOUNT * (1 - batch.terminated) * after
            loss = nn.functional.mse_loss(critic(batch.observations, batch.actions), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if any(alarm.is_alarm for alarm in monitor.alarms):
                break
    print(monitor.verdict)
    return monitor


if __name__ == "__main__":
    main()
