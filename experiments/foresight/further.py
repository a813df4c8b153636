"""Copies followed further, in committed rows: when they leave LIMIT B, as the monitor counts it.

The first sweeps followed copies until they passed B. Those that did, and were not beyond LIMIT B
at once, are run again from where they ran ahead, by the looks that the monitor has. Those of Pong
are too dear.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.foresight import corpus
from experiments.foresight.ahead import LIMIT, LOOKS, Look, as_numbers, rehearse
from experiments.foresight.corpus import Run
from experiments.foresight.live import LiveRun
from experiments.foresight.rules import EARLY, LIVELY, kind_of, says
from experiments.threads import one_thread

LOOKED: dict[str, dict[str, tuple[int, ...]]] = {  # runs judged together → look → updates
    "short": {"own": (0,), "x1": EARLY},
    "online": {"live own": (0,), "x1": LIVELY},
}


def further(split: str, folder: Path = corpus.RESULTS) -> Iterator[tuple[Run, bool]]:
    """Follow the copies of every run of a split further, and keep it in the split's table.

    Yields:
        Each run that copies were made of again, and whether all passed B when they did before.
    """
    table = corpus.table(split, folder)
    for row in table.rows.values():
        run = corpus.as_run(row)
        if at := _missing(run):
            is_same = _follow(run, at)
            corpus.pack(table, split, folder)
            yield run, is_same
    corpus.pack(table, split, folder)


def _missing(run: Run) -> dict[int, list[Look]]:
    """Return the looks, by update, of which it is not known when copies leave LIMIT B.

    Where it is known, since none has passed B or all that did were beyond at once, it is noted.
    """
    missing: dict[int, list[Look]] = {}
    looked = {} if run.cell.stratum == "image" else LOOKED.get(kind_of(run), {})
    for name, updates in looked.items():
        for update, said in says(run, name, updates):
            if "left" in said:
                continue
            pairs = zip(said["peaks"], said["passed"], strict=True)
            if all(at is None or peak >= LIMIT for peak, at in pairs):
                said["left"] = said["passed"]
            else:
                looks = LOOKS[run.cell.stratum][update]
                missing.setdefault(update, []).append(next(x for x in looks if x.name == name))
    return missing


@one_thread()
def _follow(run: Run, missing: dict[int, list[Look]]) -> bool:
    """Run the copies ahead again; note when they left LIMIT B."""
    live, is_same = LiveRun(run.cell), True
    for update, looks in sorted(missing.items()):
        while live.number < update:
            live.update()
        at: dict[str, Any] = run.row["moments"][str(update)]
        for look in looks:
            made = as_numbers(rehearse(live, look, at), live.bound)
            is_same &= made["passed"] == at[look.name]["passed"]
            at[look.name]["left"] = _left(at[look.name], made["left"])
    return is_same


def _left(said: dict[str, Any], again: list[int | None]) -> list[int | None]:
    """Return when copies left LIMIT B: made again, where they did not at once or never passed B."""
    copies = zip(said["peaks"], said["passed"], again, strict=True)
    return [at if at is None or peak >= LIMIT else left for peak, at, left in copies]
