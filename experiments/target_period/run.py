"""Does training under a hard target period do what the kernels of its start foresee?"""

from collections import Counter
from collections.abc import Iterable
from functools import partial

from experiments.tables import Column, Record, grouped, print_table, share


def show(records: list[Record]) -> None:
    """Print every problem, then the pairs of problem and period, then the advice table."""
    print_table("stable periods C, foreseen and in training", PROBLEMS, records)
    title = "problem and period pairs, by whether they are stable: foreseen → in training"
    print_table(title, PAIRS, grouped(records, "kind").values())
    title = "problems in each quarter of the advice table"
    print_table(title, QUARTERS, sorted(quarters(records).items(), reverse=True))


def confusion(records: Iterable[Record]) -> Counter[tuple[bool, bool]]:
    """Count (foreseen stable, stable in training) over the problems and periods."""
    return Counter(
        pair
        for r in records
        for pair in zip(
            r["periods"]["foreseen_stable"], r["periods"]["trained_stable"], strict=True
        )
    )


def count(records: list[Record], pair: tuple[bool, bool]) -> int:
    """Return how many pairs of problem and period are so foreseen and so trained."""
    return confusion(records)[pair]


def right(records: list[Record]) -> str:
    """Return the share of the pairs that came out as foreseen."""
    counts = confusion(records)
    return share(counts[True, True] + counts[False, False], sum(counts.values()))


def quarters(records: list[Record]) -> Counter[tuple[bool, bool]]:
    """Count the problems by (ρ(B_1) < 1, ρ(Γ) < 1), where Γ exists."""
    return Counter(
        (r["td_radius"] < 1, r["fitted_radius"] < 1)
        for r in records
        if r["fitted_radius"] is not None
    )


def stable_periods(record: Record, how: str) -> list[int]:
    """Return the periods that are stable, "foreseen" or "trained"."""
    periods = record["periods"]
    pairs = zip(periods["period"], periods[f"{how}_stable"], strict=True)
    return [period for period, is_stable in pairs if is_stable]


def trained_otherwise(record: Record) -> str:
    """Return the periods that were stable in training; "" where these are the foreseen ones."""
    trained = stable_periods(record, "trained")
    return "" if trained == stable_periods(record, "foreseen") else str(trained)


VERDICTS = {True: "stable", False: "unstable"}
PROBLEMS = (
    Column("kind", "kind", "<"),
    Column("problem", "name", "<"),
    Column("seed", "seed"),
    Column("ρ(B_1)", "td_radius", ".4f"),
    Column("ρ(Γ)", "fitted_radius", ".3f"),
    Column("foreseen", lambda r: str(stable_periods(r, "foreseen")), "<"),
    Column("trained, if not so", trained_otherwise, "<"),
)
PAIRS = (
    Column("kind", "kind", "<"),
    *(
        Column(f"{VERDICTS[foreseen]} → {VERDICTS[trained]}",
               partial(count, pair=(foreseen, trained)))
        for foreseen in (True, False)
        for trained in (True, False)
    ),
    Column("right", right, "<"),
)  # fmt: skip
QUARTERS = (
    Column("ρ(B_1) < 1", lambda row: str(row[0][0]), "<"),
    Column("ρ(Γ) < 1", lambda row: str(row[0][1]), "<"),
    Column("problems", lambda row: row[1]),
)
