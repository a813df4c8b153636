"""``qdiverge metrics``: every number that a run logs, as a table in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from qdiverge.report.metrics_table import metrics_table


@dataclass(frozen=True)
class Metrics:
    """Print what a run logs: key, formula, unit, cost, healthy range, panel, alarm."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    tyro.cli(Metrics, prog="qdiverge metrics", args=list(arguments))
    print(metrics_table(), end="")
    return 0
