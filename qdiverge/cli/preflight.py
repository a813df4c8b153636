"""``qdiverge preflight``: a configuration's first updates, rehearsed before hours are spent."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.cli.ahead import as_it_is, draw, live_of, num_updates_of, to_change
from qdiverge.cli.say import say
from qdiverge.cli.training import AGENTS, agent_of, is_help, parse
from qdiverge.errors import InvalidValueError, QDivergeError
from qdiverge.monitor.foresight.judging import Look
from qdiverge.monitor.foresight.outlook import look_ahead
from qdiverge.monitor.foresight.timetable import BEFORE, BEFORE_LIVE, Plan
from qdiverge.monitor.foresight.whole_run import live_stage
from qdiverge.rehearsal import rehearse, what_if
from qdiverge.rehearsal.stage import stage_of
from qdiverge.rehearsal.what_if import DEFAULTS

USAGE = """\
usage: qdiverge preflight {agents} [flags of qdiverge train] [--updates N] [--orders 3]

Play the steps before learning starts. Then let a copy of the whole run go on from there, its
environment too, 2,000 updates; where that cannot be copied, copies of the agent learn ahead from
what was played, 300 updates. Will the values leave what any policy can earn? Where they will, which
change prevents it? Writes nothing.
exit status: 0 sound, 3 diverges
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    if is_help(arguments):
        say(USAGE.format(agents=f"{{{','.join(AGENTS)}}}"), end="")
        return 0
    name, rest = agent_of(arguments, "preflight", "CartPole-v1")
    num_updates, num_orders = (_taken(rest, flag) for flag in ("updates", "orders"))
    config = parse(name, [*rest, "--out", "unused"]).config
    told, diverges = fly(config, num_updates, num_orders or 3)
    say(told)
    return 3 if diverges else 0


def fly(config: AgentConfig, num_updates: int | None, num_orders: int) -> tuple[str, bool]:
    """Play until the first update, and run ahead from there.

    Args:
        config: Of the run.
        num_updates: To look ahead; None: ``BEFORE_LIVE`` of a copy of the run, else ``BEFORE``.
        num_orders: Copies, where they know the replay alone.

    Returns:
        What became of them, in sentences, and whether they diverge.
    """
    trainer, messages = Trainer(config), list[tuple[str, bool]]()

    def look(batch: Any) -> Any:
        if not messages:
            messages.append(_look(trainer, batch, num_updates, num_orders))
        trainer.stop()
        return batch

    trainer.transform_batch = look
    for _ in trainer.run():
        pass
    if not messages:
        raise InvalidValueError(
            "a preflight needs a run that makes an update",
            got=f"learning starts at {config.learning_starts} of {config.total_steps} steps",
        )
    return messages[0]


def _look(
    trainer: Trainer, batch: Any, num_updates: int | None, num_orders: int
) -> tuple[str, bool]:
    """Run ahead from the first update, of which the batch is."""
    agent, config = trainer.agent, trainer.config
    given: dict[str, Any] = {"data": partial(draw, trainer)}
    if config.sampling.clip_rewards:
        given["reward_bound"] = 1.0
    try:
        frozen = stage_of(**DEFAULTS | to_change(agent, config) | given)
        live = live_stage(frozen, live_of(trainer, batch))
        length = min(num_updates or BEFORE_LIVE, num_updates_of(config))
        look = Look("live", [frozen], Plan(length), live, length, num_left=num_updates_of(config))
        ahead = look_ahead(look, 0)
    except (QDivergeError, TypeError, RuntimeError) as error:
        why_not = f"The environment was not copied: {error}"
        given |= {"num_updates": num_updates or BEFORE, "num_orders": num_orders}
        frozen_ahead = rehearse(**as_it_is(agent, config), **given)
        lines = [why_not, str(frozen_ahead)]
        if frozen_ahead.diverges:
            lines.append(str(what_if(**to_change(agent, config), **given)))
        return "\n".join(lines), frozen_ahead.diverges
    return ahead.message if ahead.is_call else ahead.outcome, ahead.is_call


def _taken(arguments: list[str], name: str) -> int | None:
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
    return None
