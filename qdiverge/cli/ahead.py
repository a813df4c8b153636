"""Run copies of our own agents ahead: what ``preflight`` and ``rehearse`` share."""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from qdiverge.agents.continuous.deterministic import DeterministicAgent
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.going_on import GoingOn, can_copy_less, copy_every
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.cli.subjects import subject
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.foresight.foresight_options import OF_COPIES
from qdiverge.monitor.foresight.whole_run import MOST_BYTES
from qdiverge.rehearsal.changes import Change
from qdiverge.transitions import Transitions
from qdiverge.update.copies import Copies
from qdiverge.update.td_update import Rows


class AgentUpdate:
    """The agent's own update, on copies of which a copy of the agent is the first other."""

    def __init__(self) -> None:
        self._numbers: WeakKeyDictionary[Copies, int] = WeakKeyDictionary()

    def __call__(self, copies: Copies, rows: Rows) -> None:
        """Make one update, whatever the algorithm is; hard copies of the target are not its own."""
        number = self._numbers[copies] = self._numbers.get(copies, 0) + 1
        copies.others[0].update(rows.transitions, number)


def as_it_is(agent: Agent, config: AgentConfig) -> dict[str, Any]:
    """Return the arguments of :func:`qdiverge.rehearse`: copies of the agent make its updates."""
    about = _known(agent, config)
    if getattr(config, "polyak", None) is not None:
        del about["polyak"]  # the agent's update moves its targets itself
    return about | {"update": AgentUpdate(), "others": (agent,)}


def to_change(agent: Agent, config: AgentConfig) -> dict[str, Any]:
    """Return the arguments by the rule, which remedies can change; where that says all of it.

    Of SAC, C51, noisy networks, PreQN and Q-learning without an actor it does not, and what can be
    changed is the learning rate alone.
    """
    is_plain = isinstance(config, DQNConfig) and not (
        config.distributional or config.noisy or config.is_preqn
    )
    if is_plain:
        return _known(agent, config)
    slow = getattr(agent, "target_actor", None)
    if not isinstance(agent, DeterministicAgent) or slow is None:
        return as_it_is(agent, config)
    actor = {
        "policy": agent.actor,
        "policy_optimizer": agent.actor_optimizer,
        "policy_target": slow,
        "policy_period": agent.policy_period,
    }
    return _known(agent, config) | actor


def foresight_of(trainer: Trainer, is_to_apply: bool = False) -> dict[str, Any] | bool:
    """Return what :func:`qdiverge.attach` is told for copies that run ahead of our own trainer.

    They draw from its replay by the global generator, which a rehearsal seeds for each order and
    puts back, so that a resumed run rehearses as it would have; or are of all of the run, its
    environments included, where these can be copied. C51 cannot leave its support.

    Args:
        trainer: Of the run.
        is_to_apply: Whether it takes the learning rate and the target's period of a remedy.
    """
    agent, config = trainer.agent, trainer.config
    if isinstance(config, DQNConfig) and config.distributional:
        return False

    about = to_change(agent, config)
    of_copies = {name: about[name] for name in OF_COPIES if name in about}
    of_copies |= {
        "data": partial(draw, trainer),
        "live": partial(live_of, trainer),
        "num_updates": num_updates_of(config),
    }
    of_copies |= {"num_rows": lambda: len(trainer.replay)}
    if is_to_apply:
        fields = ["learning_rate"] + ["target_period"] * can_copy_less(trainer)
        of_copies |= {"remedies": tuple(fields), "apply": partial(take, trainer)}
    return of_copies


def draw(trainer: Trainer) -> Transitions:
    """Draw a batch of a run's replay by the global generator: its own stays where it is."""
    rng = np.random.default_rng(np.random.randint(2**31))  # noqa: NPY002
    return trainer.sampler.sample(trainer.agent_step, rng)


def live_of(trainer: Trainer, batch: Any) -> GoingOn:
    """Return what goes on as the run will, from the batch under way on.

    Raises:
        InvalidValueError: the replay is too large to be copied.
    """
    if (size := trainer.replay.bytes_in_use) > MOST_BYTES:
        raise InvalidValueError(
            f"a replay must have at most {MOST_BYTES:,} bytes to be copied", got=f"{size:,}"
        )
    return GoingOn(trainer, batch)


def num_updates_of(config: AgentConfig) -> int:
    """Return how many updates a run makes in all."""
    return max(1, (config.total_steps - config.learning_starts) // config.train_period)


def take(trainer: Trainer, remedy: Change) -> None:
    """Change a run as a remedy says: its learning rate, its target's period, or both.

    The optimiser keeps the one, in its checkpoints, too; the other is in ``run.json``, from where a
    resumed run takes it.
    """
    groups = trainer.agent.optimizer.param_groups
    largest = max(float(group["lr"]) for group in groups)
    for group in groups if "learning_rate" in remedy else ():
        group["lr"] *= remedy["learning_rate"] / largest
    take_again(trainer, remedy)


def take_again(trainer: Trainer, remedy: Change) -> None:
    """Have a resumed run go on under a remedy that it took: what its checkpoint does not hold."""
    if "target_period" in remedy:
        copy_every(trainer, remedy["target_period"])


def target_rule_of(agent: Agent, config: AgentConfig) -> dict[str, Any]:
    """Return the fields of an :class:`qdiverge.UpdateRule` that say how the target follows."""
    if subject(agent, config)["target"] is None:
        return {}
    polyak = getattr(config, "polyak", None)
    if polyak is None:
        return {"target_period": _updates_per_copy(agent, config)}
    return {"polyak": polyak, "averaging_period": getattr(config, "policy_period", 1)}


def _known(agent: Agent, config: AgentConfig) -> dict[str, Any]:
    """Return networks, optimiser, γⁿ, loss, bootstrap and how the target follows."""
    about = subject(agent, config)
    about.pop("not_modelled", None)
    if callable(coefficient := about.get("entropy_coefficient")):
        about["entropy_coefficient"] = coefficient()
    polyak = getattr(config, "polyak", None)
    if about["target"] is not None:
        period = _updates_per_copy(agent, config) if polyak is None else None
        about |= {"polyak": polyak, "target_period": period}
    else:
        about["polyak"] = None
    return about | {"q_net": about.pop("q_network"), "optimizer": agent.optimizer}


def _updates_per_copy(agent: Agent, config: AgentConfig) -> int:
    """Return the updates between two copies into the target, as a remedy may have changed them."""
    return (agent.config if isinstance(agent, DQN) else config).updates_per_copy
