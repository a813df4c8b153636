"""PreQN against DDPG, TD3 and SAC on continuous control (Achiam et al. 2019)."""

import numpy as np

from experiments.control.sweep import FULL, cells
from experiments.learning.rows import mean_with_interval
from experiments.tables import Column, Record, grouped, print_table, with_interval


def show(records: list[Record]) -> None:
    """Print a table for each task, everything averaged over seeds."""
    tasks = grouped(records, "environment")
    for task in FULL:
        if own := tasks.get((task,)):
            title = f"{task}, {own[0]['length']:,} agent steps"
            print_table(title, COLUMNS, grouped(own, "method").values())
        else:
            print(f"{task}: not run; --full has it\n")
    number = len(cells(is_full=False))
    print(f"{len(records)} of the {number} cells of the reduced grid have been run")


def greedy(records: list[Record]) -> str:
    """Return the mean greedy return of the seeds, with the interval where there are several."""
    score = mean_with_interval(np.array([np.mean(record["greedy"]) for record in records]))
    if len(records) == 1:
        return f"{score['mean']:,.1f} [one seed]"
    return with_interval(score["mean"], score["interval"], ",.1f")


def last_quarter(records: list[Record]) -> float:
    """Return the mean return of the training episodes that ended in a run's last quarter."""
    means = []
    for record in records:
        steps, returns = np.array(record["episode_steps"]), np.array(record["returns"])
        means.append(returns[steps > 0.75 * record["length"]].mean())
    return float(np.mean(means))


def alignment(records: list[Record]) -> float | None:
    """Return the mean cos(ΔQ, δ); a step that was refused moved nothing, and has none."""
    values = [value for record in records for value in record["alignments"]]
    return float(np.nanmean(values)) if values else None


def accepted(records: list[Record]) -> float | None:
    """Return the mean share of accepted steps; None where nothing is ever refused."""
    shares = [record["accepted"] for record in records if record["accepted"] is not None]
    return float(np.mean(shares)) if shares else None


COLUMNS = (
    Column("method", "method", "<"),
    Column("seeds", len),
    Column("greedy return, mean of seeds [95 %]", greedy),
    Column("last quarter", last_quarter, ",.1f"),
    Column("alignment", alignment, ".3f"),
    Column("accepted", accepted, ".3f"),
)
