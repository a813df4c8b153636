"""Continuous control: DDPG, TD3, SAC, PreQN-DDPG, and Q-learning without an actor.

One algorithm a file; what they share is in ``agent`` and, where an actor is deterministic, in
``deterministic``. The settings of each, with their sources, are in ``config`` and ``presets``.
"""

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.settings.continuous_config import ContinuousConfig

__all__ = ["ContinuousAgent", "ContinuousConfig"]
