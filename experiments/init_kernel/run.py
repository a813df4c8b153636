"""The kernel of a Q-network at its start, over width, depth and activation (Achiam et al. 2019)."""

from functools import partial
from statistics import mean

from experiments.init_kernel.sweep import DEPTHS
from experiments.tables import Column, Record, grouped, print_table

NETWORK = ("start", "activation", "width")


def show(records: list[Record]) -> None:
    """Print a line for each start, activation and width, a column for each depth."""
    for measure in ("diagonal", "row_ratio"):
        columns = [
            *(Column(name, name, "" if name == "width" else "<") for name in NETWORK),
            *(Column(f"depth {d}", partial(_mean, measure, d), ".4g") for d in DEPTHS),
        ]
        title = f"{measure}, mean over pairs and {len(records[0][measure])} seeds"
        print_table(title, columns, grouped(records, *NETWORK).values())


def _mean(measure: str, depth: int, records: list[Record]) -> float | None:
    return next((mean(r[measure]) for r in records if r["depth"] == depth), None)
