"""How far the maximum over estimates is too large, and what double estimators mend (2016)."""

from functools import partial

from experiments.tables import Column, Record, grouped, mean, print_table


def show(records: list[Record]) -> None:
    """Print estimates, fits and agents."""
    kinds = {kind: own for (kind,), own in grouped(records, "kind").items()}
    title = "m actions of value 0, standard normal errors: means over 10,000 sets of estimates"
    print_table(title, ESTIMATES, kinds["estimates"])
    title = "ten actions fitted without noise: mean error of the maximum over the states"
    print_table(title, FITS, kinds["fits"])
    title = "agents, second half of training: max_a Q less the return of the greedy policy"
    print_table(title, AGENTS, grouped(kinds["agent"], "environment", "bootstrap").values())


def with_error(record: Record, name: str) -> str:
    """Return the mean of an estimator with its standard error."""
    return f"{record[name]:.3f} ± {record[f'{name}_error']:.3f}"


ESTIMATES = (
    Column("m", "num_actions"),
    Column("√(C/(m−1))", "bound", ".3f"),
    *(Column(name, partial(with_error, name=name)) for name in ("single", "double")),
)
FITS = (
    Column("function", "function", "<"),
    Column("degree", "degree"),
    Column("single", "mean_single", "+.3f"),
    Column("double", "mean_double", "+.3f"),
)
AGENTS = (
    Column("task", "environment", "<"),
    Column("bootstrap", "bootstrap", "<"),
    Column("mean over seeds", lambda own: mean((r["late_bias"] for r in own), "+.1f"), "<"),
    Column("each", lambda own: ", ".join(f"{r['late_bias']:+.1f}" for r in own), "<"),
)
