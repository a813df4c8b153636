"""The four factors of the triad, and the runs that they are varied in."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, get_args

from qdiverge.agents.environments.kinds import environment_kind
from qdiverge.agents.settings.dqn import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.td import Bootstrap

SIZES = {"S": 0.125, "M": 0.25, "L": 0.5, "XL": 1.0}  # times the widths of the game's network
FACTORS: dict[str, tuple[Any, ...]] = {
    "bootstrap": get_args(Bootstrap),
    "n_step": (1, 3, 10),
    "priority": (0.0, 0.3, 0.6, 1.0),  # exponent; 0: uniform replay
    "size": tuple(SIZES),
}
BASE = {"bootstrap": "q", "n_step": 1, "priority": 0.0, "size": "M"}

SHORT = replace(
    PRESETS["minatar"],
    total_steps=450,  # agent steps, so 300 updates
    learning_starts=150,
    buffer_size=450,
    exploration_steps=450,
    target_period=75,
    optimizer="sgd",  # Adam rescales its steps: it took more updates than these to leave the bound
    clip_rewards=True,
    checkpoint_period=None,
)
LONG = replace(PRESETS["nature"], total_steps=5_000_000)  # agent steps
GAMES, RATES = ("Asterix", "SpaceInvaders"), (0.2, 0.8)  # α of SGD under the Huber loss
ATARI = ("ALE/Pong-v5", "ALE/Breakout-v5", "ALE/Seaquest-v5", "ALE/BeamRider-v5")


def one_at_a_time() -> list[dict[str, Any]]:
    """The base, and every setting that differs from it in one factor: 12 of 192.

    >>> len(one_at_a_time())
    12
    """
    return [
        BASE,
        *(
            BASE | {name: level}
            for name, levels in FACTORS.items()
            for level in levels
            if level != BASE[name]
        ),
    ]


def factorial() -> list[dict[str, Any]]:
    """Every combination of levels, as in the paper."""
    return [dict(zip(FACTORS, levels, strict=True)) for levels in product(*FACTORS.values())]


def agent(cell: dict[str, Any]) -> DQNConfig:
    """The numbers of one run."""
    parts: dict[str, Any] = {
        "environment": cell["environment"],
        "seed": cell["seed"],
        "bootstrap": cell["bootstrap"],
        "n_step": cell["n_step"],
        "width_factor": SIZES[cell["size"]],
    }
    if cell["priority"]:
        parts |= {"prioritized": True, "priority_exponent": cell["priority"]}
    if cell["learning_rate"] is not None:
        parts["learning_rate"] = cell["learning_rate"]
    kind = environment_kind(cell["environment"])
    return (SHORT if kind == "minatar" else LONG).adapted(kind, **parts)
