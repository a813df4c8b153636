"""The problems of the corpus, and to which side each belongs."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "experiments.foresight.tasks:foresight/"


@dataclass(frozen=True)
class Problem:
    """A task.

    Attributes:
        split: "train" or "test".
        family: tabular, control, minatar, mujoco or atari.
        environment: As the trainer names it; of MuJoCo, as Gymnasium does.
        share: How often it is drawn, against the others of its split.
    """

    split: str
    family: str
    environment: str
    share: int = 2


PROBLEMS = {
    "maze": Problem("train", "tabular", OWN + "Maze-v0"),
    "sparse_graph": Problem("train", "tabular", OWN + "SparseGraph-v0"),
    "cartpole": Problem("train", "control", OWN + "CartPole-v0", share=3),
    "breakout": Problem("train", "minatar", "MinAtar/Breakout-v1"),
    "freeway": Problem("train", "minatar", "MinAtar/Freeway-v1", share=1),
    "inverted_pendulum": Problem("train", "mujoco", "foresight/InvertedPendulum-v0"),
    "four_rooms": Problem("test", "tabular", OWN + "FourRooms-v0"),
    "cliffwalk": Problem("test", "tabular", OWN + "Cliffwalk-v0"),
    "mountain_car": Problem("test", "control", OWN + "MountainCar-v0"),
    "acrobot": Problem("test", "control", OWN + "Acrobot-v0"),
    "asterix": Problem("test", "minatar", "MinAtar/Asterix-v1"),
    "space_invaders": Problem("test", "minatar", "MinAtar/SpaceInvaders-v1", share=1),
    "half_cheetah": Problem("test", "mujoco", "HalfCheetah-v5"),
    "pong": Problem("test", "atari", "ALE/Pong-v5", share=0),  # a few, see draw
}
