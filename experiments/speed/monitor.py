"""What the monitor costs: each tier at default settings on three loops, beside W&B's ``watch``.

The loops of one kind stand in one process and take turns with the one that nobody watches. Ratios
are of processor time, over all turns together; their standard error is a jackknife over the rounds.
Warm-up turns are not timed, and each monitor's allowance begins anew after them. ``inside`` is the
processor time spent in the monitor's calls as a share of the rest of its loop: the same quantity
without the noise of two loops' difference, and without what the monitor does to the caches.
Before them, whole runs of seconds, their start included (``short_runs.py``).
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from experiments.speed import endless, record, watched
from experiments.speed.record import made_by, save
from experiments.speed.rounds import Times, interleaved
from experiments.speed.short_runs import short_runs
from experiments.speed.watched import UNWATCHED
from experiments.tables import markdown
from qdiverge.monitor import Monitor
from qdiverge.runs.provenance import installed


@dataclass(frozen=True)
class Setup:
    """One kind of loop.

    Attributes:
        title: In the table.
        make: Starts the loops, by name, in a folder, for so many agent steps.
        needs: Modules that must be installed.
        warm_up: Agent steps that are not timed; learning has begun by then.
        turn: Agent steps of a turn.
    """

    title: str
    make: Callable[[Path, int], dict[str, watched.Loop]]
    needs: tuple[str, ...]
    warm_up: int
    turn: int


def _sb3(title: str, make: Callable[[], Any], warm_up: int, turn: int) -> Setup:
    loops = partial(watched.sb3_loops, make)
    return Setup(title, loops, ("stable_baselines3",), warm_up=warm_up, turn=turn)


SETUPS = {
    "dqn": _sb3("SB3 DQN, CartPole-v1", watched.sb3_dqn, warm_up=600, turn=200),
    "td3": _sb3("SB3 TD3, Pendulum-v1", watched.sb3_td3, warm_up=180, turn=40),
    "atari": Setup(
        "qdiverge's trainer, Pong", watched.atari_loops, ("ale_py",), warm_up=1_100, turn=96
    ),
}


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/monitor.json``; return the exit status."""
    options = parse(arguments)
    torch.set_num_threads(1)
    table: dict[str, Any] = {
        "rounds": options.rounds,
        "runs": options.runs,
        **made_by("monitor", arguments),
        "peers": installed(("stable-baselines3", "wandb")),
        "loops": {},
        "short_runs": {},
    }
    for name in options.loops:
        setup = SETUPS[name]
        if missing := [need for need in setup.needs if find_spec(need) is None]:
            table["loops"][setup.title] = {"status": f"not installed: {', '.join(missing)}"}
            continue
        if options.runs:
            found = short_runs(name, options.runs, options.length)
            table["short_runs"][setup.title] = found
            print(f"\n{setup.title}, {found['updates']} updates in all\n" + short_text(found))
        if not options.rounds:
            continue
        with tempfile.TemporaryDirectory() as folder:
            table["loops"][setup.title] = measure(setup, options.rounds, Path(folder))
        print(f"\n{setup.title}\n" + text(table["loops"][setup.title]["rows"]), flush=True)
    if options.updates:
        table["growth"] = endless.growth(options.updates)
        for row in table["growth"]:
            print({k: f"{v:,}" if isinstance(v, int) else v for k, v in row.items()})
    save(table, options.out, options.name)
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = record.parser("monitor", __doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=40, help="turns of each loop that are timed (default 40)")
    add("--runs", type=int, default=6, help="whole runs of seconds, of each loop; 0: none")
    add("--length", type=int, help="updates of a whole run; by default a run of seconds")
    add("--loops", nargs="*", default=list(SETUPS), help=f"of {', '.join(SETUPS)} (default all)")
    add(
        "--updates", type=int, default=1_000_000, help="of the run whose memory is watched; 0: none"
    )
    add("--name", default="monitor", help="of the table's file (default monitor)")
    options = parser.parse_args(arguments)
    if unknown := set(options.loops) - set(SETUPS):
        parser.error(f"expected --loops of {', '.join(SETUPS)}; got {', '.join(unknown)}")
    if options.rounds == 1:
        parser.error("expected --rounds of at least 2, or 0 for whole runs of seconds alone")
    return options


def measure(setup: Setup, rounds: int, folder: Path) -> dict[str, Any]:
    """Let the loops of one kind take turns; return the table's rows."""
    loops = setup.make(folder, setup.warm_up + rounds * setup.turn)
    inside: dict[str, watched.Inside] = {}
    try:
        for name, loop in loops.items():
            loop.advance(setup.warm_up)
            if loop.monitor is not None:
                loop.monitor.budget.restart(loop.watch.seconds)
                inside[name] = watched.Inside(loop.monitor)
        turns = {name: partial(loop.advance, setup.turn) for name, loop in loops.items()}
        times = interleaved(turns, repeats=rounds, budget=math.inf, turn=0)
        rows = {name: row(each, times[UNWATCHED]) for name, each in times.items()}
        for name, each in inside.items():
            rows[name] |= account(each.watch.seconds(), times[name], each.monitor)
    finally:
        for each in inside.values():
            each.close()
        for loop in loops.values():
            loop.close()
        watched.finish_wandb()
    return {"turn": setup.turn, "warm_up": setup.warm_up, "rows": rows}


def row(mine: Times, base: Times) -> dict[str, Any]:
    """Return what a loop takes beyond the unwatched one."""
    if mine.failure:
        return {"status": mine.failure}
    extra, error = extra_cost(mine.cpu, base.cpu)
    return {
        "status": "measured",
        "cpu_seconds": round(sum(mine.cpu), 2),
        "extra": round(extra, 4),
        "standard_error": round(error, 4),
        "extra_wall": round(extra_cost(mine.wall, base.wall)[0], 4),
    }


def account(seconds: float, times: Times, monitor: Monitor) -> dict[str, Any]:
    """Return what the monitor took, as a share of the rest, and what it did for it."""
    return {
        "inside": round(seconds / (sum(times.cpu) - seconds), 4),
        "own_account": round(monitor.overhead, 4),
        "measurements": monitor.num_measured,
        "updates": monitor.num_updates,
    }


def extra_cost(mine: list[float], base: list[float]) -> tuple[float, float]:
    """Return Σ mine / Σ base − 1 and its standard error, by leaving out one round at a time.

    >>> extra_cost([2.2, 2.2], [2.0, 2.0])
    (0.10000000000000009, 0.0)
    """
    ours, theirs, num = sum(mine), sum(base), len(mine)
    without = [(ours - a) / (theirs - b) for a, b in zip(mine, base, strict=True)]
    mean = sum(without) / num
    error = math.sqrt((num - 1) / num * sum((each - mean) ** 2 for each in without))
    return ours / theirs - 1, error


def text(rows: dict[str, dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    titles = ("", "extra CPU", "±", "inside", "measurements: light, standard, full")
    return markdown(titles, (_line(*row) for row in rows.items() if row[0] != UNWATCHED))


def short_text(found: dict[str, Any]) -> str:
    """Return the rows of whole runs as a Markdown table."""
    titles = ("", "extra CPU", "±", "own account", "the same weights")
    lines = (
        (name, f"{row['extra']:+.1%}", f"{row['standard_error']:.1%}", f"{row['own_account']:.1%}",
         f"{row['identical_weights']} of {len(row['rounds'])}")
        for name, row in found["rows"].items()
    )  # fmt: skip
    return markdown(titles, lines)


def _line(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    if row["status"] != "measured":
        return name, row["status"]
    own = f"{row['inside']:.1%}" if "inside" in row else ""
    counts = ", ".join(map(str, row.get("measurements", {}).values()))
    return name, f"{row['extra']:+.1%}", f"{row['standard_error']:.1%}", own, counts
