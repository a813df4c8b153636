"""Time ``qd.audit`` of sound loops and of loops with a bug against one update of the same loop."""

from collections.abc import Callable
from functools import partial
from itertools import product

import torch

from experiments.audit.loops import Loop
from experiments.audit.networks import ARCHITECTURES
from experiments.speed import record
from experiments.speed.record import made_by, save
from experiments.speed.rounds import interleaved
from experiments.tables import markdown
from qdiverge.update import audit

BATCHES = (32, 64, 128)


def main(arguments: list[str]) -> int:
    """Time, print and write ``results/audit.json``; return the exit status."""
    parser = record.parser("audit", __doc__, clock="cpu")
    parser.add_argument("--repeats", type=int, default=15, help="rounds (default 15)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = {
        f"{architecture}, {size}": ratios(architecture, size, options.repeats, options.clock)
        for architecture, size in product(ARCHITECTURES, BATCHES)
    }
    table = {
        "clock": options.clock,
        "in_updates": rows,
        "most_of_sound": max(row["sound"] for row in rows.values()),
        "most_of_unmasked": max(row["unmasked"] for row in rows.values()),
        **made_by("audit", arguments),
    }
    save(table, options.out, "audit")
    texts = [[name, *(f"{value:.1f}" for value in row.values())] for name, row in rows.items()]
    print(markdown(["network, batch", "sound, updates", "unmasked, updates"], texts))
    return 0


def ratios(architecture: str, num_rows: int, repeats: int, clock: str) -> dict[str, float]:
    """Return the least time of an audit over that of an update, of both loops."""
    times = interleaved(functions(architecture, num_rows), repeats=repeats, budget=60, turn=0)
    seconds = {name: min(each.seconds(clock)) for name, each in times.items()}
    return {name: round(seconds[name] / seconds["update"], 2) for name in ("sound", "unmasked")}


def functions(architecture: str, num_rows: int) -> dict[str, Callable[[], object]]:
    """Return an update, and audits of a sound loop and of one that bootstraps terminal rows."""
    loops = {"sound": Loop(architecture, num_rows=num_rows)}
    loops["unmasked"] = Loop(architecture, num_rows=num_rows, masks=False)
    timed: dict[str, Callable[[], object]] = {}
    for name, loop in loops.items():
        loop.train().backward()
        timed[name] = partial(audit, loop.q_net, loop.shown, **loop.options())
    own = Loop(architecture, num_rows=num_rows).train()

    def update() -> None:
        own.optimizer.zero_grad()
        own.backward()
        own.optimizer.step()

    return timed | {"update": update}
