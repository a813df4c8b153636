"""Fixed batches of random play whose successors lie further out than the states themselves."""

from typing import Any

import numpy as np
import torch

from qdiverge.transitions import Transitions

TASKS = ("CartPole-v1", "Acrobot-v1", "Pendulum-v1")
TORQUES = (-2.0, 0.0, 2.0)  # Pendulum's actions here
NUM_STEPS, NUM_PAIRS = 600, 64


def num_actions(task: str) -> int:
    """Return A of a task."""
    return 2 if task == "CartPole-v1" else 3


def outward_batch(task: str, seed: int) -> Transitions:
    """Return transitions of random play, coordinates of unit variance, in which ‖s'‖ > ‖s‖.

    Rewards are divided by the largest |r|, so that no return exceeds 1/(1 − γ). What cuts an
    episode short is no end; a state that ends one bootstraps nothing.
    """
    s, a, r, next_s, d = (np.array(column) for column in zip(*_play(task, seed), strict=True))
    scale = s.std(0) + 1e-6
    s, next_s = s / scale, next_s / scale
    outward = np.flatnonzero(np.linalg.norm(next_s, axis=1) > np.linalg.norm(s, axis=1))
    chosen = np.random.default_rng(seed).choice(outward, NUM_PAIRS, replace=False)
    return Transitions(
        torch.from_numpy(s[chosen]).float(),
        torch.from_numpy(a[chosen]),
        torch.from_numpy(r[chosen] / np.abs(r).max()).float(),
        torch.from_numpy(next_s[chosen]).float(),
        torch.from_numpy(d[chosen]),
    )


def _play(task: str, seed: int) -> list[tuple[Any, ...]]:
    import gymnasium

    game: Any = gymnasium.make(task)
    rng, steps = np.random.default_rng(seed), []
    s = game.reset(seed=seed)[0]
    for _ in range(NUM_STEPS):
        a = int(rng.integers(num_actions(task)))
        move = np.array([TORQUES[a]]) if task == "Pendulum-v1" else a
        next_s, r, terminated, truncated, _ = game.step(move)
        steps.append((s, a, float(r), next_s, terminated))
        s = game.reset()[0] if terminated or truncated else next_s
    game.close()
    return steps
