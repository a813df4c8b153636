"""The settings of every cell, drawn at random from stated ranges by seed; none is picked.

The ranges were set beforehand, by pilot runs of other seeds on problems of the training split: of
ordinary settings one run in six passed the bound, nearly all within 15 updates, which leaves
nothing to foresee. So the step is relative to the network (steps.py), and a PROVOKED_SHARE of the
cells has what theory names as the cause of divergence: fixed data that do not cover where they lead
(only transitions of the least ‖s‖, in units of these), mostly without a target network.

Cell i of a split is drawn from a generator of its own, seeded by (SEED, split, i), whatever the
size of the corpus: the reduced corpus is the beginning of the full one. Problems take turns.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import numpy as np

from experiments.foresight.cell import Cell
from experiments.foresight.problems import PROBLEMS

SEED = 7071
SIZES = {"train": (96, 1_200), "test": (74, 900)}  # cells: reduced, full
PONG, PONG_FIRST = (2, 24), 10_000  # further cells of Pong, in the test split; their indices
NUM_UPDATES = 300
NETWORKS: dict[str, dict[str, tuple[Any, ...]]] = {
    "train": {"width": (32, 64, 128), "depth": (1, 2, 3), "activation": ("relu", "relu", "tanh")},
    "test": {"width": (24, 48, 96), "depth": (2, 4), "activation": ("relu", "relu", "gelu", "elu")},
}
RELATIVE_STEPS = {"sgd": (-2.5, -0.2), "rmsprop": (-1.3, 0.5), "adam": (-1.3, 0.5)}  # log10
DISCOUNTS = (0.9, 0.9, 0.95, 0.99)
PROVOKED_SHARE = 0.6
LAYER_NORM_SHARE, OFFLINE_SHARE, PRIORITIZED_SHARE = 0.25, 0.35, 0.25


def draw(is_full: bool) -> list[Cell]:
    """Draw every cell of the corpus; the splits take turns, so that a part of it has both."""
    places = []
    for split, sizes in SIZES.items():
        turns = [
            name
            for lap in range(3)
            for name, problem in PROBLEMS.items()
            if problem.split == split and problem.share > lap
        ]
        names = list(islice(cycle(turns), sizes[is_full]))
        places += [(i / len(names), split, name, i) for i, name in enumerate(names)]
    places += [(i / PONG[is_full], "test", "pong", PONG_FIRST + i) for i in range(PONG[is_full])]
    return [draw_cell(split, name, i) for _, split, name, i in sorted(places)]


def draw_cell(split: str, problem: str, index: int) -> Cell:
    """Draw cell ``index`` of a split.

    >>> draw_cell("train", "maze", 0) == draw_cell("train", "maze", 0)
    True
    """
    side = list(SIZES).index(split)
    rng = np.random.default_rng([SEED, side, index])
    family, networks = PROBLEMS[problem].family, NETWORKS[split]
    is_critic, is_atari = family == "mujoco", family == "atari"

    def one_of(values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def log_uniform(low: float, high: float) -> float:
        return float(f"{10 ** rng.uniform(low, high):.3g}")

    width, depth = int(one_of(networks["width"])), int(one_of(networks["depth"]))
    activation, layer_norm = one_of(networks["activation"]), rng.random() < LAYER_NORM_SHARE
    optimizer = one_of(("sgd", "rmsprop", "adam"))
    step = log_uniform(*RELATIVE_STEPS[optimizer])
    loss, batch_size = one_of(("huber", "mse", "mse")), int(one_of((16, 32)))
    discount = one_of(DISCOUNTS)
    bootstrap = one_of(("q", "q", "q", "target_q", "double_q"))
    is_averaged = rng.random() < 0.4
    period, polyak = int(log_uniform(0.5, 2.0)), log_uniform(-3, -0.5)
    n_step, is_prioritized = int(one_of((1, 1, 1, 3, 5))), rng.random() < PRIORITIZED_SHARE
    buffer_size, is_offline = int(one_of((200, 500, 2_000))), rng.random() < OFFLINE_SHARE
    seed = int(rng.integers(2**31))
    coverage = 1.0
    if rng.random() < PROVOKED_SHARE and not is_atari:
        is_offline, n_step, is_prioritized = True, 1, False
        coverage, loss = one_of((0.25, 0.5)), one_of(("huber", "mse", "mse", "mse"))
        bootstrap = one_of(("q", "q", "q", "q", "target_q"))
    has_target = bootstrap != "q"
    return Cell(
        split=split,
        problem=problem,
        seed=seed,
        width=0 if is_atari else width,
        depth=0 if is_atari else depth,
        activation="relu" if is_atari else activation,
        layer_norm=bool(layer_norm) and not is_atari,
        optimizer=optimizer,
        relative_step=step,
        loss=loss,
        batch_size=32 if is_atari else batch_size,
        discount=discount,
        bootstrap=bootstrap,
        target_period=period if has_target and not is_averaged else None,
        polyak=polyak if has_target and is_averaged else None,
        n_step=1 if is_critic else n_step,
        prioritized=bool(is_prioritized) and not is_critic,
        buffer_size=buffer_size,
        offline=bool(is_offline) or is_critic,
        coverage=coverage,
        num_updates=NUM_UPDATES // 2 if is_atari else NUM_UPDATES,
    )
