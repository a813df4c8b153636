"""The agents of the triad: short runs on MinAtar, long ones on Atari."""

from dataclasses import replace
from typing import Any

from qdiverge.agents.environments.kinds import environment_kind
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS

SIZES = {"S": 0.125, "M": 0.25, "L": 0.5, "XL": 1.0}  # times the widths of the game's network

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


def config_of(cell: dict[str, Any]) -> DQNConfig:
    """Return the numbers of one run."""
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
