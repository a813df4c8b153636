"""Whether LayerNorm takes away the self-excitation that makes Q diverge (Yue et al. 2023)."""

from collections.abc import Callable
from operator import itemgetter
from statistics import median

from experiments.tables import Column, Record, grouped, print_table, share

NAMES = {False: "without", True: "LayerNorm"}


def excitation(pick: Callable[[list[float]], float]) -> Callable[[list[Record]], float]:
    """Return the median over runs of what ``pick`` takes of each one's max Re eig(A)/λ_max(K)."""
    return lambda own: median(pick(record["relative_excitation"]) for record in own)


COLUMNS = (
    Column("task", "task", "<"),
    Column("network", lambda own: NAMES[own[0]["layer_norm"]], "<"),
    Column("at the start", excitation(itemgetter(0)), ".2g"),
    Column("largest", excitation(max), ".2g"),
    Column("at the end", excitation(itemgetter(-1)), ".2g"),
    Column("max|Q|", lambda own: median(max(r["max_abs_q"]) for r in own), ".3g"),
    Column("diverged", lambda own: share(sum(r["diverged"] for r in own), len(own)), "<"),
)


def show(records: list[Record]) -> None:
    """Print a line for each task with and without LayerNorm, then for all tasks together."""
    together = [record | {"task": "all"} for record in records]
    title = "max Re eig(A) in units of λ_max(K), and max|Q|: medians over seeds"
    print_table(title, COLUMNS, grouped(records + together, "task", "layer_norm").values())
