"""The problems of the corpus, and to which side each belongs."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "experiments.foresight.tasks:foresight/"


@dataclass(frozen=True)
class Problem:
    """A task.

    Attributes:
        split: "dev" or "test".
        family: tabular, control, minatar, mujoco (continuous actions) or atari.
        environment: As the trainer names it.
        share: How often it is drawn, against the others of its split and family.
    """

    split: str
    family: str
    environment: str
    share: int = 2


PROBLEMS = {
    "maze": Problem("dev", "tabular", OWN + "Maze-v0"),
    "sparse_graph": Problem("dev", "tabular", OWN + "SparseGraph-v0"),
    "cartpole": Problem("dev", "control", OWN + "CartPole-v0", share=3),
    "breakout": Problem("dev", "minatar", "MinAtar/Breakout-v1"),
    "freeway": Problem("dev", "minatar", "MinAtar/Freeway-v1", share=1),
    "inverted_pendulum": Problem("dev", "mujoco", OWN + "InvertedPendulum-v0"),
    "mountain_car_continuous": Problem("dev", "mujoco", "MountainCarContinuous-v0"),
    "four_rooms": Problem("test", "tabular", OWN + "FourRooms-v0"),
    "cliffwalk": Problem("test", "tabular", OWN + "Cliffwalk-v0"),
    "mountain_car": Problem("test", "control", OWN + "MountainCar-v0"),
    "acrobot": Problem("test", "control", OWN + "Acrobot-v0"),
    "asterix": Problem("test", "minatar", "MinAtar/Asterix-v1"),
    "space_invaders": Problem("test", "minatar", "MinAtar/SpaceInvaders-v1", share=1),
    "half_cheetah": Problem("test", "mujoco", "HalfCheetah-v5"),
    "reacher": Problem("test", "mujoco", "Reacher-v5"),
    "pong": Problem("test", "atari", "ALE/Pong-v5"),
}
