"""A DQN of your own on a corridor of ten states, watched from the first update to the last."""

from pathlib import Path

import torch
from torch import nn

import qdiverge as qd

LENGTH, DISCOUNT, BATCH_SIZE, TARGET_PERIOD = 10, 0.95, 32, 100


def observation(state: int) -> torch.Tensor:
    """Return the state as a network sees it: one of ten."""
    return nn.functional.one_hot(torch.tensor(state), LENGTH).float()


def step(state: int, action: int) -> tuple[int, float, bool]:
    """Go left or right; the right end pays 1 and ends the episode."""
    state = max(0, state + (1 if action else -1))
    return state, float(state == LENGTH - 1), state == LENGTH - 1


def main(out: str | Path = "runs/own-loop", num_steps: int = 4_000) -> qd.Monitor:
    """Train, and return the monitor of the run."""
    torch.manual_seed(0)
    q_net = nn.Sequential(nn.Linear(LENGTH, 64), nn.ReLU(), nn.Linear(64, 2))
    target_net = nn.Sequential(nn.Linear(LENGTH, 64), nn.ReLU(), nn.Linear(64, 2))
    target_net.load_state_dict(q_net.state_dict())
    optimizer = torch.optim.Adam(q_net.parameters(), lr=1e-3)
    replay: list[tuple[int, int, float, int, bool]] = []
    state, num_episodes = 0, 0
    with qd.attach(
        q_net, target=target_net, optimizer=optimizer, discount=DISCOUNT, out=out
    ) as monitor:
        for update in range(num_steps):
            is_random = torch.rand(()) < 0.3
            action = (
                int(torch.randint(2, ())) if is_random else int(q_net(observation(state)).argmax())
            )
            after, reward, ended = step(state, action)
            replay.append((state, action, reward, after, ended))
            num_episodes += ended
            state = 0 if ended else after

            rows = [replay[i] for i in torch.randint(len(replay), (BATCH_SIZE,)).tolist()]
            s, a, r, s2, d = zip(*rows, strict=True)
            data = monitor.batch(
                qd.Transitions(
                    observations=torch.stack([observation(state) for state in s]),
                    actions=torch.tensor(a),
                    rewards=torch.tensor(r),
                    next_observations=torch.stack([observation(state) for state in s2]),
                    terminated=torch.tensor(d).float(),
                )
            )
            with torch.no_grad():
                best = target_net(data.next_observations).amax(1)
                target = data.rewards + DISCOUNT * (1 - data.terminated) * best
            q = q_net(data.observations).gather(1, data.actions[:, None]).squeeze(1)
            optimizer.zero_grad()
            nn.functional.smooth_l1_loss(q, target).backward()
            optimizer.step()
            if update % TARGET_PERIOD == 0:
                target_net.load_state_dict(q_net.state_dict())
    print(f"{num_episodes} episodes. {monitor.verdict}")
    print(f"The loop, as seen: {monitor.rule}")
    return monitor


if __name__ == "__main__":
    main()
