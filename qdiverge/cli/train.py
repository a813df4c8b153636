"""``qdiverge train AGENT``: train with the diagnostics attached."""

from collections.abc import Sequence

from qdiverge.cli.last_word import say_verdict
from qdiverge.cli.say import say
from qdiverge.cli.training import AGENTS, agent_of, is_help, parse
from qdiverge.cli.watched import train_watched
from qdiverge.report import write_report


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    if is_help(arguments):
        say(f"usage: qdiverge train {{{','.join(AGENTS)}}} [options]")
        for agent, what in AGENTS.items():
            say(f"  {agent:<10} {what}")
        say("`qdiverge train dqn -h` shows every option of dqn, and so on.")
        return 0
    name, rest = agent_of(arguments, "train", "ALE/Pong-v5 --out runs/pong")
    training = parse(name, rest)
    out = training.out
    is_new = not (out / "run.json").exists()  # else it is another run's, and refused
    try:
        train_watched(training.config, out, training.watching, seconds=training.seconds)
    finally:
        if is_new and (out / "run.json").exists():
            page = write_report([out])
    return say_verdict(out, page)
