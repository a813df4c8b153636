"""The runs of the suite: which loop, whether it is sound, which score shows that it learnt."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from experiments.field import by_hand, offline, ours, zoo

LOOPS: dict[str, ModuleType] = {
    name: module for module in (zoo, ours, by_hand, offline) for name in module.RUNS
}
HEALTHY = {  # seeds of each; the cheap ones first
    "own loop DQN CartPole": 3, "ours DQN CartPole": 4, "ours DDPG Pendulum": 2,
    "ours TD3 Pendulum": 2, "ours SAC Pendulum": 2, "Zoo DQN CartPole": 6,
    "Zoo QR-DQN CartPole": 2, "Zoo DDPG Pendulum": 2, "Zoo TD3 Pendulum": 2,
    "Zoo DQN MountainCar": 2, "Zoo SAC Pendulum": 2, "Zoo SAC Hopper": 1,
    "ours DQN Breakout": 3, "ours DQN Asterix": 2, "Zoo DQN LunarLander": 1,
}  # fmt: skip
DIVERGENT = {
    "offline SGD": 2, "CartPole, no target, 1e-2": 2, "CartPole, no target, 1e-3": 2,
    "MinAtar, no target, 1e-2": 2, "MinAtar, no target, 1e-3": 2,
    "DDPG Pendulum, τ = 1, 1e-2": 2, "offline, no target": 2, "offline, target every 250": 2,
}  # fmt: skip
PAIRED = (  # their first seed is also trained unwatched, before and after
    "own loop DQN CartPole", "ours DQN CartPole", "ours DDPG Pendulum", "ours TD3 Pendulum",
    "Zoo DQN CartPole", "Zoo QR-DQN CartPole",
)  # fmt: skip
NUM_EPISODES = 20  # the last of the training, whose mean return is held against the threshold
LEARNT = {  # mean return, exploration included; by the last word of a name
    "CartPole": 195.0,
    "MountainCar": -160.0,  # −200: the goal is not reached
    "Pendulum": -300.0,  # random: −1,200
    "Hopper": 200.0,
    "Breakout": 2.5,  # that of experiments/learning
    "Asterix": 0.8,  # random: 0.4
    "LunarLander": 0.0,
}


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        run: A key of LOOPS.
        seed: Of everything.
        is_sound: Whether it is expected to stay within its bound.
        is_paired: Whether it is trained unwatched, too: once before and once after.
    """

    run: str
    seed: int
    is_sound: bool
    is_paired: bool

    @property
    def threshold(self) -> float | None:
        """Return from which mean return on it has learnt; None: nobody asks."""
        return LEARNT[self.run.split()[-1]] if self.is_sound else None


def every_cell(more_seeds: int = 0) -> list[Cell]:
    """Return the cells: those that diverge, then the healthy ones, cheap ones first.

    LunarLander needs Box2D.

    Args:
        more_seeds: Of each run.
    """
    divergent = [
        Cell(run, s, False, False)
        for run, n in DIVERGENT.items()
        for s in range(1, n + more_seeds + 1)
    ]
    healthy = [
        Cell(run, s, True, s == 1 and run in PAIRED)
        for run, n in HEALTHY.items()
        for s in range(1, n + more_seeds + 1)
    ]
    return divergent + healthy
