"""PreQN beside DQN with and without a target network: returns, alignment, cost (Achiam 2019)."""

import numpy as np

from experiments import tables
from experiments.preqn import held_out
from experiments.tables import Column, Record, grouped, mean, print_table


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    parser = tables.parser("preqn", __doc__)
    parser.add_argument(
        "--held-out",
        type=int,
        metavar="SEEDS",
        help="instead: where a step moves pairs outside of its batch (15 s a seed)",
    )
    options = parser.parse_args(arguments)
    if options.held_out is not None:
        held_out.show(options.held_out)
    else:
        tables.print_study("preqn", options.table, show)
    return 0


def show(records: list[Record]) -> None:
    """Print a line for each task, method and step."""
    title = "means over seeds with 95 % bootstrap intervals over them"
    print_table(title, COLUMNS, grouped(records, "environment", "method", "step").values())


def alignment(records: list[Record]) -> float:
    """Return the mean over seeds of a run's mean cos(ΔQ, δ); NaN where a run has none."""
    means = [np.nan if r["mean_alignment"] is None else r["mean_alignment"] for r in records]
    return float(np.mean(means))


def cost(records: list[Record]) -> float:
    """Return the mean over seeds of CPU milliseconds an update."""
    return float(np.mean([1_000 * r["cpu_seconds"] / r["updates"] for r in records]))


COLUMNS = (
    Column("task", "environment", "<"),
    Column("method", "method", "<"),
    Column("step", "step", "g"),
    Column("greedy return", lambda own: mean(r["greedy"] for r in own)),
    Column("last 20 episodes", lambda own: mean(r["last_20"] for r in own)),
    Column("cos(ΔQ, δ)", alignment, ".2f"),
    Column("max|Q|", lambda own: max(r["max_abs_q"] for r in own), ".3g"),
    Column("CPU ms/update", cost, ".1f"),
)
