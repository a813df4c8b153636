"""Score and mean held-out Q against training on Atari games (Mnih et al. 2015)."""

from experiments.tables import Column, Record, print_table

COLUMNS = (
    Column("game", "environment", "<"),
    Column("preset", "preset", "<"),
    Column("seed", "seed"),
    Column("agent steps", "steps", ","),
    Column("epochs", lambda r: len(r["held_out_q"]["value"])),
    Column("held-out Q at first", lambda r: r["held_out_q"]["value"][0], ".3g"),
    Column("at last", lambda r: r["held_out_q"]["value"][-1], ".3g"),
    Column("score", lambda r: (r["epoch_return"]["value"] or [None])[-1]),
    Column("CPU s", "cpu_seconds"),
)


def show(records: list[Record]) -> None:
    """Print the table."""
    print_table("runs of the agents, by epochs", COLUMNS, records)
