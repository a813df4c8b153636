"""The agents compared: methods with the same small networks, batches and rates on every task."""

from dataclasses import replace

from qdiverge.agents.settings.continuous_config import ContinuousConfig
from qdiverge.agents.settings.presets.control import PRESETS

PAPER = {"preqn_learning_rate": 1.0, "preqn_damping": 0.0, "preqn_align_with": "td_errors"}
METHODS = {
    "preqn": PRESETS["ddpg"]["fast"].adapted(update="preqn", **PAPER),
    "ddpg": PRESETS["ddpg"]["fast"],
    "td3": PRESETS["td3"]["fast"],
    "sac": PRESETS["sac"]["fast"],
}
PEERS = {"sb3-td3": "td3", "sb3-sac": "sac"}  # Stable-Baselines3 with the settings of ours
REPORTS = 60  # updates that say how aligned they were


def config_of(method: str, environment: str, seed: int, steps: int) -> ContinuousConfig:
    """Return the settings of one run; no barrier restarts the environment."""
    return replace(
        METHODS[PEERS.get(method, method)],
        environment=environment,
        seed=seed,
        total_steps=steps,
        buffer_size=max(steps, 1_000),
        checkpoint_period=None,
    )
