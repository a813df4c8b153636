"""Copies followed further, in committed rows: when they leave LIMIT B, as the monitor counts it.

The first sweeps followed copies until they passed B. Those that did are run again, from where they
ran ahead, by the looks that the monitor has; the others left neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.foresight import corpus
from experiments.foresight.ahead import FAST, FIRST, GOING, LOOKS, NEAR, Look, as_numbers, rehearse
from experiments.foresight.corpus import Run
from experiments.foresight.live import LiveRun
from experiments.foresight.rules import EARLY, SLOW, kind_of
from experiments.threads import one_thread

LOOKED: dict[str, dict[int, tuple[Look, ...]]] = {  # runs that are judged together → update → looks
    "short": {0: FIRST} | dict.fromkeys(EARLY[1:], NEAR),
    "long": dict.fromkeys(SLOW, FAST[:2]),
    "online": {0: GOING[-1:]},
}


def further(split: str, folder: Path = corpus.RESULTS) -> Iterator[tuple[Run, bool]]:
    """Follow the copies of every run of a split further, and keep each in the split's table.

    Yields:
        Each run that copies were made of again, and whether all passed B when they did before.
    """
    table = corpus.table(split, folder)
    for row in table.rows.values():
        run = corpus.as_run(row)
        looks = LOOKED.get(kind_of(run), {})
        at = {update: missing for update in looks if (missing := _missing(run, looks, update))}
        if at:
            is_same = _follow(run, at)
            corpus.pack(table, split, folder)
            yield run, is_same
    corpus.pack(table, split, folder)


def _missing(run: Run, looks: dict[int, tuple[Look, ...]], update: int) -> list[Look]:
    """Return the looks at an update whose copies passed B, and nobody knows where else they went.

    Of copies none of which passed B it is written down that none left.
    """
    said, missing = run.row["moments"].get(str(update), {}), list[Look]()
    for look in looks[update]:
        if look.name in said and "left" not in said[look.name]:
            if any(u is not None for u in said[look.name]["passed"]):
                missing.append(_of_image(look) if run.cell.stratum == "image" else look)
            else:
                said[look.name]["left"] = said[look.name]["passed"]
    return missing


def _of_image(look: Look) -> Look:
    return next(each for each in LOOKS["image"][0] if each.name == look.name)


@one_thread()
def _follow(run: Run, at: dict[int, list[Look]]) -> bool:
    """Run the copies ahead again; write down when they left LIMIT B."""
    live, is_same = LiveRun(run.cell), True
    for update, looks in sorted(at.items()):
        while live.number < update:
            live.update()
        said: dict[str, Any] = run.row["moments"][str(update)]
        for look in looks:
            made = as_numbers(rehearse(live, look, said), live.bound)
            is_same &= made["passed"] == said[look.name]["passed"]
            said[look.name]["left"] = made["left"]
    return is_same
