"""``qdiverge rehearse``: what becomes of a saved run, and which change prevents it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from qdiverge.agents.saved_agent import load_agent
from qdiverge.checks import check_integer
from qdiverge.cli.ahead import as_it_is, to_change
from qdiverge.cli.moments import collect
from qdiverge.cli.say import say
from qdiverge.cli.trust import TrustFlag
from qdiverge.plain_text import plain_lines
from qdiverge.rehearsal import rehearse, what_if
from qdiverge.runs.whole import write_whole


@dataclass(frozen=True)
class Options:
    """Run ahead from a checkpoint: do the values leave what any policy can earn?

    Copies of the agent learn from experience that it collects now, each in another order. Leaves
    rehearsal.txt in the run's folder. Exit status: 0 they stay, 3 they diverge.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run's folder."""
    what_if: tyro.conf.FlagCreatePairsOff[bool] = False
    """Rehearse the usual remedies, too, and name the mildest that holds."""
    step: int | None = None
    """Which checkpoint, in agent steps; by default the newest."""
    updates: int = 300
    """Updates of the run to look ahead."""
    orders: int = 3
    """Copies, each with another order of the batches; the verdict is by majority."""
    speed: float = 1.0
    """Updates of the run that a copy makes in one: 16 shows slow drifts at a 16th of the cost."""
    transitions: int = 1_000
    """Transitions to learn from."""
    trust_environment: TrustFlag = False


def main(options: Options) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    check_integer("transitions", options.transitions, 1)
    saved = load_agent(options.run, options.step, trust_environment=options.trust_environment)
    agent, config = saved.agent, saved.config
    given: dict[str, Any] = {
        "data": collect(saved, options.transitions),
        "batch_size": config.batch_size,
        "num_updates": options.updates,
        "num_orders": options.orders,
        "speed": options.speed,
    }
    if config.sampling.clip_rewards:
        given["reward_bound"] = 1.0
    ahead = rehearse(**as_it_is(agent, config), **given)
    lines = [f"{options.run.name}, agent step {saved.step}: {ahead}"]
    if options.what_if:
        lines.append(str(what_if(**to_change(agent, config), **given)))
    text = "\n\n".join(lines)
    write_whole(options.run / "rehearsal.txt", plain_lines(text) + "\n")
    say(text)
    return 3 if ahead.diverges else 0
