"""The settings of every cell, drawn at random from stated ranges by seed; none is picked.

    short    300 updates on fixed data or a replay of random play, most of them provoked: data that
             do not cover where they lead, mostly without a target network
    default  300 updates with usual steps, a slow target, data that cover: provoked by nothing
    critic   300 updates of DDPG, TD3 or SAC with a learning actor, on fixed data
    long     10,000 updates with small steps on fixed data, for slow drifts
    online   2,000 updates, an environment step each, from a small replay; most without a target
    image    150 updates of the Nature network
    replay   as "online", drawn later: for the rules of copies that know the replay alone

Steps are relative to the network (steps.py). The ranges were set by pilots of other seeds on
problems of the dev split, so that two to four runs of ten diverge where they are provoked.

Cell i of a stratum is drawn from a generator of its own, seeded by (SEED, split, stratum, i):
strata take turns, so that a part of the corpus has all of them in proportion.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np

from experiments.foresight.cell import Cell, Stratum
from experiments.foresight.problems import PROBLEMS

SEED = 20_261
STRATA = get_args(Stratum)
SIZES: dict[str, dict[str, int]] = {  # cells
    "dev": {"short": 120, "default": 15, "critic": 24, "long": 36, "online": 36, "image": 0,
            "replay": 60},
    "test": {"short": 460, "default": 45, "critic": 90, "long": 120, "online": 130, "image": 54,
             "replay": 140},
}  # fmt: skip
UPDATES = {"short": 300, "default": 300, "critic": 300, "long": 10_000, "online": 2_000,
           "image": 150, "replay": 2_000}  # fmt: skip
NETWORKS: dict[str, dict[str, tuple[Any, ...]]] = {
    "dev": {"width": (32, 64, 128), "depth": (1, 2, 3), "activation": ("relu", "relu", "tanh")},
    "test": {"width": (24, 48, 96), "depth": (2, 4), "activation": ("relu", "relu", "gelu", "elu")},
}
STEPS: dict[str, dict[str, tuple[float, float]]] = {  # log10 of the relative step
    "short": {"sgd": (-1.3, 0.0), "rmsprop": (-1.2, 0.4), "adam": (-1.2, 0.4)},
    "default": {"sgd": (-2.5, -0.5), "rmsprop": (-2.5, -0.8), "adam": (-2.5, -0.8)},
    "critic": {"adam": (-1.0, 0.7)},
    "long": {"sgd": (-3.3, -1.5), "rmsprop": (-3.3, -1.9), "adam": (-3.3, -1.7)},
    "online": {"rmsprop": (-0.6, 0.3), "adam": (-1.2, -0.4)},
    "image": {"rmsprop": (-1.0, 0.5), "adam": (-1.0, 0.5)},
}
STEPS["replay"] = STEPS["online"]
FAMILIES: dict[str, tuple[str, ...]] = {  # as often as they are named
    "short": ("tabular", "tabular", "control", "control", "minatar"),
    "default": ("tabular", "control", "minatar"),
    "critic": ("mujoco",),
    "long": ("tabular", "control"),
    "online": ("tabular", "control", "control"),
    "image": ("atari",),
}
FAMILIES["replay"] = FAMILIES["online"]
NUM_SMALL_IMAGES = 24  # the first; their steps, drawn as above, proved too small to diverge
LARGE_IMAGE_STEPS = (0.0, 0.8)  # log10 of the relative step of the others, by Adam
PROVOKED_SHARE = {"short": 0.85, "long": 0.85, "critic": 0.6}
LAYER_NORM_SHARE, PRIORITIZED_SHARE = 0.15, 0.25


def draw(is_full: bool = False) -> list[Cell]:
    """Draw every cell, dev first; strata take turns.

    Args:
        is_full: Ten times as many, of which these are the first.
    """
    cells = []
    for split, sizes in SIZES.items():
        places = [
            ((i + 0.5) / (count * (10 if is_full else 1)), STRATA.index(stratum), i)
            for stratum, count in sizes.items()
            for i in range(count * (10 if is_full else 1))
        ]
        cells += [draw_cell(split, STRATA[stratum], i) for _, stratum, i in sorted(places)]
    return cells


def draw_cell(split: str, stratum: Stratum, index: int) -> Cell:
    """Draw cell ``index`` of a stratum.

    >>> draw_cell("dev", "short", 0) == draw_cell("dev", "short", 0)
    True
    """
    side = list(SIZES).index(split)
    rng = np.random.default_rng([SEED, side, STRATA.index(stratum), index])
    names = [
        name
        for name, problem in PROBLEMS.items()
        if problem.split == split
        for _ in range(problem.share * FAMILIES[stratum].count(problem.family))
    ]
    networks = NETWORKS[split]

    def one_of(values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def log_uniform(low: float, high: float) -> float:
        return float(f"{10 ** rng.uniform(low, high):.3g}")

    optimizer = one_of(tuple(STEPS[stratum]))
    is_averaged = rng.random() < 0.3
    period, polyak = int(log_uniform(0.5, 2.0)), log_uniform(-2.3, -0.3)
    cell = Cell(
        split=split, stratum=stratum, problem=names[index % len(names)],
        seed=int(rng.integers(2**31)), algorithm="dqn", width=int(one_of(networks["width"])),
        depth=int(one_of(networks["depth"])), activation=one_of(networks["activation"]),
        layer_norm=bool(rng.random() < LAYER_NORM_SHARE), optimizer=optimizer,
        relative_step=log_uniform(*STEPS[stratum][optimizer]),
        loss=one_of(("huber", "mse", "mse")), batch_size=int(one_of((16, 32))),
        discount=one_of((0.9, 0.9, 0.95, 0.99)),
        bootstrap=one_of(("q", "q", "q", "target_q", "double_q")), target_period=period,
        polyak=polyak, n_step=int(one_of((1, 1, 3))),
        prioritized=bool(rng.random() < PRIORITIZED_SHARE),
        buffer_size=int(one_of((500, 1_000, 2_000))), coverage=1.0, num_updates=UPDATES[stratum],
    )  # fmt: skip
    if rng.random() < PROVOKED_SHARE.get(stratum, 0.0):
        cell = replace(
            cell, n_step=1, prioritized=False, coverage=one_of((0.25, 0.5)),
            loss=one_of(("huber", "mse", "mse", "mse")),
            bootstrap=one_of(("q", "q", "q", "q", "target_q")),
        )  # fmt: skip
    if stratum == "critic":
        return replace(
            cell, algorithm=one_of(("ddpg", "td3", "sac")), loss="mse", bootstrap="target_q",
            polyak=one_of((1.0, 1.0, polyak)), target_period=None, n_step=1, prioritized=False,
            activation=one_of(("relu", "relu", "tanh")),
        )  # fmt: skip
    if stratum == "default":
        cell = replace(
            cell, bootstrap=one_of(("target_q", "double_q")), polyak=0.01,
            target_period=int(log_uniform(1.7, 2.3)), loss="huber",
        )  # fmt: skip
    if stratum in ("online", "replay"):
        cell = replace(
            cell, layer_norm=False, discount=one_of((0.95, 0.99, 0.99, 0.99, 0.99)),
            bootstrap=one_of(("q", "q", "q", "q", "target_q")),
            target_period=int(log_uniform(0.3, 1.0)), loss=one_of(("mse", "mse", "mse", "huber")),
        )  # fmt: skip
    if stratum == "image":
        cell = replace(
            cell, width=0, depth=0, activation="relu", layer_norm=False, batch_size=32, n_step=1,
            prioritized=False,
        )  # fmt: skip
        if index >= NUM_SMALL_IMAGES:
            cell = replace(cell, optimizer="adam", relative_step=log_uniform(*LARGE_IMAGE_STEPS))
    if cell.bootstrap == "q":
        return replace(cell, target_period=None, polyak=None)
    if is_averaged:
        return replace(cell, target_period=None)
    return replace(cell, polyak=None)
