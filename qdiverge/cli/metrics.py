"""``qdiverge metrics``: every number that a run logs, as a table in Markdown."""

from dataclasses import dataclass

from qdiverge.cli.say import say
from qdiverge.report.metrics_table import metrics_table


@dataclass(frozen=True)
class Options:
    """Print what a run logs: key, formula, unit, cost, healthy range, panel, alarm."""


def main(_: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    say(metrics_table(), end="")
