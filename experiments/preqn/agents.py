"""The agents compared: PreQN and DQN, with and without a target network, on short runs."""

from dataclasses import replace
from typing import Any

from qdiverge.agents.environments.kinds import environment_kind
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS

METHODS: dict[str, dict[str, Any]] = {
    "target": {"bootstrap": "target_q"},
    "no_target": {"bootstrap": "q"},
    "preqn": {"update": "preqn", "bootstrap": "q"},
    "undamped": {  # as in the paper: K Z = Δ, aligned with the TD errors
        "update": "preqn",
        "bootstrap": "q",
        "preqn_damping": 0.0,
        "preqn_align_with": "td_errors",
    },
}
CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=2_000,  # agent steps, so 850 updates
    num_envs=1,
    buffer_size=2_000,
    learning_starts=300,
    train_period=2,
    target_period=50,
    hidden_sizes=(64, 64),
    epsilon_end=0.05,
    exploration_steps=1_200,
    checkpoint_period=None,
)
ACROBOT = replace(
    CARTPOLE,
    environment="Acrobot-v1",
    total_steps=6_000,  # agent steps, so 2,750 updates
    buffer_size=6_000,
    learning_starts=500,
    exploration_steps=3_000,
)
BREAKOUT = replace(
    PRESETS["minatar_fast"],
    total_steps=1_200,  # agent steps, so 350 updates
    learning_starts=500,
    train_period=2,
    target_period=50,
    buffer_size=1_200,
    exploration_steps=1_000,
    width_factor=0.25,
    checkpoint_period=None,
)


def config_of(cell: dict[str, Any]) -> DQNConfig:
    """Return the numbers of one run."""
    kind = environment_kind(cell["environment"])
    task = ACROBOT if "Acrobot" in cell["environment"] else CARTPOLE
    short = {"task": task, "minatar": BREAKOUT, "atari": PRESETS["fast"]}
    long = {"task": PRESETS["cartpole"], "minatar": PRESETS["minatar_fast"]}
    base = (short | long if cell["long"] else short)[kind]
    is_preqn = METHODS[cell["method"]].get("update") == "preqn"
    rate = "preqn_learning_rate" if is_preqn else "learning_rate"
    given = {"environment": cell["environment"], "seed": cell["seed"], rate: cell["step"]}
    return base.adapted(kind, double=False, **given, **METHODS[cell["method"]])
