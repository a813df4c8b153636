"""An agent as a run saved it, without its replay: to evaluate it, to diagnose it, to play."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qdiverge.agents.checkpoints.saving import (
    AGENT_FILES,
    OPTIMIZER,
    STATE,
    WEIGHTS,
    check_network,
    chosen,
)
from qdiverge.agents.checkpoints.tensors import load_optimizer, load_weights
from qdiverge.agents.families import parts_of
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.algorithms import CONFIGS
from qdiverge.errors import CheckpointError
from qdiverge.runs.checkpoints import CheckpointStore


@dataclass(frozen=True)
class SavedAgent:
    """An agent from a checkpoint.

    Attributes:
        config: The run's settings.
        agent: Acts and learns as it did; see ``agent.act``.
        step: Agent steps it had taken.
        num_updates: Updates it had made.
        ended: Why its run ended there; None: it went on.
        folder: The checkpoint.
    """

    config: AgentConfig
    agent: Agent
    step: int
    num_updates: int
    ended: str | None
    folder: Path


def load_agent(
    run: str | os.PathLike[str],
    step: int | None = None,
    *,
    make_q_network: MakeNetwork | None = None,
) -> SavedAgent:
    """Return the agent of a run, from its newest checkpoint whose weights are intact.

    A damaged one is skipped with a warning that names the file. The run may be going on.

    Args:
        run: The run's folder.
        step: Which checkpoint; None: the newest.
        make_q_network: The trainer's, where it had one.

    Returns:
        The agent, in memory of its own.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or of another network.
    """
    store = CheckpointStore(Path(run) / "checkpoints")
    if step is None:
        step = chosen(store, *store.newest(AGENT_FILES))
    elif step not in store.steps():
        raise CheckpointError(
            f"step must be that of a checkpoint of {Path(run)}",
            got=step,
            remedy=f"There are: {', '.join(map(str, store.steps())) or 'none yet'}.",
        )
    else:
        store.verify(step, AGENT_FILES)
    state = json.loads(store.read(step, STATE))
    check_network(state, make_q_network)
    config = config_from_json(state["config"])
    agent = fresh_agent(config, make_q_network)
    load_weights(agent, store.read(step, WEIGHTS))
    load_optimizer(agent, store.read(step, OPTIMIZER), state["optimizer"])
    return SavedAgent(config, agent, step, state["updates"], state["ended"], store.path(step))


def config_from_json(values: Mapping[str, Any]) -> AgentConfig:
    """Return the settings that JSON holds; what older versions did not know keeps its default.

    PreQN's are read only where it makes the updates, and without a damping there was none.

    Raises:
        CheckpointError: there is a setting, or an algorithm, that this version does not know.
    """
    kind = CONFIGS.get(values.get("algorithm", "dqn"))
    names = set() if kind is None else {field.name for field in dataclasses.fields(kind)}
    unknown = values.keys() - names - {"algorithm"}
    if kind is None or unknown:
        raise CheckpointError(
            "the run must have settings that this version knows",
            got=f"algorithm {values['algorithm']}" if kind is None else ", ".join(sorted(unknown)),
            remedy="Upgrade: pip install -U qdiverge.",
        )
    is_preqn = values.get("update") == "preqn"
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name != "algorithm" and (is_preqn or not name.startswith("preqn_"))
    }
    if is_preqn:
        settings.setdefault("preqn_damping", 0.0)
    return kind(**settings)


def fresh_agent(config: AgentConfig, make_q_network: MakeNetwork | None = None) -> Agent:
    """Return an agent of ``config`` that has learnt nothing; a small replay is all that need fit.

    What was trained on a GPU is made on the CPU where there is none.
    """
    device = config.device if torch.cuda.is_available() else "cpu"
    parts = parts_of(config.small(device=device))
    seed = np.random.SeedSequence(config.seed)
    environments = parts.environments(seed)
    try:
        return parts.agent(environments, seed, make_q_network)
    finally:
        environments.close()
