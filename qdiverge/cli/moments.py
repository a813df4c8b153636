"""Moments of saved runs: an agent with experience of its own, or a snapshot with its network."""

import dataclasses
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from qdiverge.agents.continuous import ContinuousAgent
from qdiverge.agents.families import make_replay, parts_of
from qdiverge.agents.replay.sampling import Sampler
from qdiverge.agents.saved_agent import SavedAgent, config_from_json, fresh_agent
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.cli.subjects import subject
from qdiverge.diagnostics import Transitions
from qdiverge.errors import InvalidValueError, RunFolderError
from qdiverge.runs import Run
from qdiverge.runs.strict_json import of_saved

STEPS_PER_TRANSITION = 16  # agent steps played for each transition that is drawn
OF_PRIORITIES = "the run draws and weighs rows by priority, and these were drawn evenly"
SEED = 0  # of that play: the same experience at each diagnosis


def agent_arguments(saved: SavedAgent, num_transitions: int) -> dict[str, Any]:
    """Return the arguments of :func:`qdiverge.diagnose` for an agent, on what it collects now."""
    config, agent = saved.config, saved.agent
    watched = subject(agent, config)
    if config.sampling.priority_exponent is not None:
        watched.setdefault("not_modelled", OF_PRIORITIES)
    if "entropy_coefficient" in watched:
        watched["entropy_coefficient"] = watched["entropy_coefficient"]()
    return {
        "q_net": watched.pop("q_network"),
        "batch": collect(saved, num_transitions),
        "optimizer": agent.optimizer,
        "polyak": (polyak := getattr(config, "polyak", None)),
        "averaging_period": getattr(config, "policy_period", 1),
        "target_period": config.updates_per_copy if polyak is None else None,
        **watched,
    }


def collect(saved: SavedAgent, num_transitions: int) -> Transitions:
    """Play as the agent does at its step, and draw from that, rewards as the learner sees them."""
    num_steps = STEPS_PER_TRANSITION * num_transitions
    size = max(2 * num_steps, 1_000)
    config = dataclasses.replace(saved.config, buffer_size=size)
    drawn = dataclasses.replace(config.sampling, batch_size=num_transitions, priority_exponent=None)
    parts = parts_of(config)
    games, exploration, sampling = np.random.SeedSequence(SEED).spawn(3)
    environments = parts.environments(games)
    try:
        replay = make_replay(config, environments, sampling)
        behaviour = parts.behaviour(saved.agent, environments, exploration)
        observations = environments.reset()
        replay.begin(replay.part_to_keep(observations))
        for _ in range(0, num_steps, config.num_envs):
            actions = behaviour.actions(observations, saved.step)
            environments.send(actions)
            step = environments.recv()
            at_life_loss = config.terminal_on_life_loss
            replay.store(actions, step, terminal_on_life_loss=at_life_loss)
            observations = step.observations
    finally:
        environments.close()
    return Sampler(replay, drawn, sampling).sample(saved.step).plain()


def snapshot_network(
    run: Run, builder: str | None, *, trust: bool = False
) -> nn.Module | Sequence[nn.Module]:
    """Return a network of the shapes of a run's; from ``module:callable``, or the run's settings.

    Raises:
        InvalidValueError: the network is another trainer's, and nothing says how to build it.
    """
    if builder is not None:
        return build(builder)
    config = _config_of(run, trust)
    if config is None:
        raise InvalidValueError(
            "the network of this run must be named: --network module:callable",
            got="a run of another trainer, which saved its weights and not its class",
            remedy="Or in Python: qd.load_snapshot(folder).diagnose(q_network).",
        )
    with of_saved(run.folder / "run.json", RunFolderError):
        agent = fresh_agent(config)
    return list(agent.critics) if isinstance(agent, ContinuousAgent) else agent.q_network


def action_names(run: Run, *, trust: bool = False) -> tuple[str, ...]:
    """Return what the environment of a run calls its actions; nothing where it has no names."""
    config = _config_of(run, trust)
    if config is None:
        return ()
    environments = parts_of(config).environments(np.random.SeedSequence(config.seed))
    environments.close()
    return getattr(environments, "action_names", ())


def _config_of(run: Run, trust: bool) -> AgentConfig | None:
    """Return the settings of a run of our own trainer, with a single environment; else None."""
    settings = run.info.get("config", {})
    if "environment" not in settings:
        return None
    return config_from_json(settings, trust_environment=trust).small()


def build(builder: str) -> nn.Module | Sequence[nn.Module]:
    """Return what ``module:callable`` returns: a network, or the critics; also from here.

    >>> build("torch.nn:Identity")
    Identity()
    """
    module, colon, name = builder.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        net = getattr(importlib.import_module(module), name)() if colon else None
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidValueError(
            "--network must name a callable without arguments, as module:callable",
            got=f"{builder}: {type(error).__name__}: {error}",
        ) from error
    finally:
        sys.path.pop(0)
    modules = net if isinstance(net, list | tuple) else [net]
    if not modules or not all(isinstance(each, nn.Module) for each in modules):
        raise InvalidValueError(
            "--network must return a torch.nn.Module, or a list of critics", got=type(net).__name__
        )
    return net if isinstance(net, nn.Module) else [*modules]
