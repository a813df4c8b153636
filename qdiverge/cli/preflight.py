"""``qdiverge preflight``: a configuration's first updates, rehearsed before hours are spent."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.cli.ahead import as_it_is, to_change
from qdiverge.cli.training import AGENTS, agent_of, is_help, parse
from qdiverge.errors import InvalidValueError
from qdiverge.rehearsal import Rehearsal, rehearse, what_if

USAGE = """\
usage: qdiverge preflight {agents} [flags of qdiverge train] [--updates 300] [--orders 3]

Play the steps before learning starts, then let copies of the agent learn from them ahead: will its
values leave what any policy can earn? Where they will, which change prevents it? Writes nothing.
exit status: 0 sound, 3 diverges
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    if is_help(arguments):
        print(USAGE.format(agents=f"{{{','.join(AGENTS)}}}"), end="")
        return 0
    name, rest = agent_of(arguments, "preflight", "CartPole-v1")
    num_updates, num_orders = (
        _taken(rest, flag, n) for flag, n in (("updates", 300), ("orders", 3))
    )
    config = parse(name, [*rest, "--out", "unused"]).config
    ahead, advice = fly(config, num_updates, num_orders)
    print(ahead)
    if advice is not None:
        print(advice)
    return 3 if ahead.diverges else 0


def fly(config: AgentConfig, num_updates: int, num_orders: int) -> tuple[Rehearsal, Any]:
    """Play, rehearse, and where that diverges rehearse the remedies.

    Args:
        config: Of the run.
        num_updates: To look ahead.
        num_orders: Copies.

    Returns:
        The rehearsal, and the options; None where nothing needs to change.
    """
    starts = max(config.learning_starts, 2 * config.batch_size)
    trainer = Trainer(dataclasses.replace(config, total_steps=starts, learning_starts=starts))
    for _ in trainer.run():  # random play alone
        pass
    agent, config = trainer.agent, trainer.config

    def draw() -> Any:
        return trainer.sampler.sample(starts)

    given: dict[str, Any] = {"data": draw, "num_updates": num_updates, "num_orders": num_orders}
    if config.sampling.clip_rewards:
        given["reward_bound"] = 1.0
    ahead = rehearse(**as_it_is(agent, config), **given)
    return ahead, what_if(**to_change(agent, config), **given) if ahead.diverges else None


def _taken(arguments: list[str], name: str, default: int) -> int:
    """Take a flag with a whole number out of the arguments."""
    for index, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag != f"--{name}":
            continue
        given = value if equals else (arguments[index + 1 : index + 2] or [""])[0]
        del arguments[index : index + (1 if equals else 2)]
        if not given.isdigit() or int(given) < 1:
            raise InvalidValueError(
                f"--{name} takes a whole number, at least 1", got=given or "none"
            )
        return int(given)
    return default
