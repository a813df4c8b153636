"""What of an agent there is to watch, or to diagnose."""

from typing import Any

from qdiverge.agents.continuous import ContinuousAgent
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.monitor import Loss

LOSSES: dict[str, Loss] = {
    "huber": "huber",
    "mse": "half_squared",
}  # the agent's loss → the monitor's, see td_loss


OF_C51 = "Q lies inside C51's support: watch the mass at its end atoms"


def watched_loss(config: AgentConfig) -> Loss:
    """Return the loss whose step the monitor supposes.

    A distribution is watched by its mean, Q = Σ z p, with its exact kernel and TD errors. What it
    is learnt by, the cross-entropy of its logits, is no loss in Q and has no α: there the monitor's
    α is the learning rate of ½δ², so whatever depends on α (the rates of growth, the largest stable
    step) answers for the same network learnt by plain Q-learning. Kernel, row ratios and the sign
    of the self-excitation do not depend on it. (Where the target is a small tilt of p, the
    cross-entropy moves Q as ½δ² does with α / Var(Z).) Critics of continuous actions learn by ½δ².
    """
    if not isinstance(config, DQNConfig) or config.distributional:
        return "half_squared"
    return LOSSES[config.loss]


def subject(agent: Agent, config: AgentConfig) -> dict[str, Any]:
    """Return the networks that learn, their targets, how these bootstrap, γⁿ and the loss.

    Args:
        agent: Whose they are.
        config: Its settings.

    Returns:
        ``q_network``, ``target``, ``discount``, ``loss``, and what else these networks need.
    """
    discount = config.discount**config.sampling.n_step
    about: dict[str, Any] = {"discount": discount, "loss": watched_loss(config)}
    if isinstance(config, DQNConfig):
        networks = {"q_network": agent.q_network, "target": agent.target_network}
        if config.distributional:
            about["not_modelled"] = OF_C51
        return networks | about | {"bootstrap": config.bootstrap_rule}
    assert isinstance(agent, ContinuousAgent)
    return about | {
        "q_network": list(agent.critics),
        "target": list(agent.target_critics) or None,
        "policy": agent.next_actions,
        "entropy_coefficient": lambda: agent.entropy_coefficient,
    }
