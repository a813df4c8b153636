"""An agent as a run saved it, without its replay: to evaluate it, to diagnose it, to play."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qdiverge.agents.checkpoints.saving import (
    AGENT_FILES,
    check_network,
    chosen,
    load_networks,
    read_state,
)
from qdiverge.agents.families import parts_of
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.algorithms import CONFIGS
from qdiverge.errors import CheckpointError, UntrustedError
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.strict_json import of_saved


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
    trust_environment: bool = False,
) -> SavedAgent:
    """Return the agent of a run, from its newest checkpoint whose weights are intact.

    A damaged one is skipped with a warning that names the file. The run may be going on.

    Args:
        run: The run's folder.
        step: Which checkpoint; None: the newest.
        make_q_network: The trainer's, where it had one.
        trust_environment: Whether a module may be imported that the run's environment names, as
            ``module:Id``: whatever is in it runs. Without it only what is registered already.

    Returns:
        The agent, in memory of its own.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or of another network.
        UntrustedError: its environment names a module, which nobody said to trust.
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
    state = read_state(store, step)
    check_network(state, make_q_network)
    config = config_from_json(state.config, trust_environment=trust_environment)
    with of_saved(store.path(step), CheckpointError):
        agent = fresh_agent(config, make_q_network)
    load_networks(agent, store, step, state)
    return SavedAgent(config, agent, step, state.updates, state.ended, store.path(step))


def config_from_json(values: Mapping[str, Any], *, trust_environment: bool = False) -> AgentConfig:
    """Return the settings that JSON holds; what older versions did not know keeps its default.

    PreQN's are read only where it makes the updates, and without a damping there was none.

    Args:
        values: By name.
        trust_environment: Whether a module may be imported that the environment names.

    Raises:
        CheckpointError: there is a setting, or an algorithm, that this version does not know, or a
            value that is none of it.
        UntrustedError: the environment names a module.
    """
    with of_saved(Path("run.json"), CheckpointError):
        config = _config(values)
    if not trust_environment:
        check_imports_nothing(config.environment)
    return config


def check_imports_nothing(environment: object) -> None:
    """Refuse a saved environment for which a module would have to be imported.

    Its id is looked for among those that Gymnasium, and installed packages, have registered.

    Raises:
        UntrustedError: it is ``module:Id``.

    >>> check_imports_nothing("CartPole-v1")
    >>> check_imports_nothing("evil:Task-v0")
    Traceback (most recent call last):
    qdiverge.errors.UntrustedError: the environment of a saved run must need no module imported; ...
    """
    if not isinstance(environment, str) or ":" in environment:
        raise UntrustedError(
            "the environment of a saved run must need no module imported",
            got=repr(environment)[:200],
            remedy="Importing a module runs what is in it. Where you trust the run and that "
            "module: --trust-environment, in Python trust_environment=True.",
        )


def _config(values: Mapping[str, Any]) -> AgentConfig:
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
