"""Learning rates and target periods, rehearsed on copies before any of them is trained."""

import torch
from torch import nn

import qdiverge as qd

LEARNING_RATES = (3e-4, 3e-3, 3e-2)
PERIODS = (None, 50)  # updates between two copies of the target; None: no target network


def main(num_updates: int = 300) -> dict[tuple[float, int | None], qd.Rehearsal]:
    """Return what becomes of each setting."""
    torch.manual_seed(0)
    s = torch.randn(256, 4)  # and successors that lead out of the data
    data = qd.Transitions(s, torch.randint(3, (256,)), torch.rand(256), 1.3 * s, torch.zeros(256))
    q_net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3))
    target_net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3))
    target_net.load_state_dict(q_net.state_dict())
    found = {}
    for learning_rate in LEARNING_RATES:
        for period in PERIODS:
            found[learning_rate, period] = ahead = qd.rehearse(
                q_net, data, discount=0.99, loss="huber", batch_size=32, num_updates=num_updates,
                optimizer=torch.optim.Adam(q_net.parameters(), lr=learning_rate),
                target=None if period is None else target_net, target_period=period,
            )  # fmt: skip
            told = f"diverges at update {ahead.update}" if ahead.diverges else "stays"
            print(f"learning rate {learning_rate:g}, target copied every {period}: {told}")
    return found


if __name__ == "__main__":
    main()
