"""Whole runs, from their start to their end, each in a process of its own: watched or not.

A process is forked for each run, once all is imported: what PyTorch and the monitor set up at their
first use is in its time, imports are not. Runs with the same seed take turns, in another order each
round; what watching costs is the median, over the rounds, of the quotient of two processor times.
"""

import functools
import hashlib
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experiments.speed import loops, watched
from qdiverge.diagnostics import Cost
from qdiverge.integrations import sb3

ROWS: tuple[Cost | None, ...] = (None, "light", "standard")
UPDATES = {"dqn": 1_000, "td3": 200, "atari": 60}  # of a run of seconds
EFFICIENCY = 1.2533  # standard error of a median over that of a mean


def short_runs(kind: str, rounds: int, updates: int | None = None) -> dict[str, Any]:
    """Return what each row takes: quotients by round, their median and its standard error.

    Args:
        kind: Of loop: "dqn", "td3" or "atari".
        rounds: Of one run each.
        updates: Of a run; None: a run of seconds.
    """
    updates = updates or UPDATES[kind]
    found: dict[str, list[dict[str, Any]]] = {str(cost): [] for cost in ROWS}
    for number in range(rounds):
        for k in range(len(ROWS)):
            cost = ROWS[(number + k) % len(ROWS)]
            found[str(cost)].append(_in_a_fork(kind, cost, updates))
    base = found[str(None)]
    rows = {name: _row(mine, base) for name, mine in found.items() if name != str(None)}
    seconds = statistics.median(each["cpu"] for each in base)
    return {"updates": updates, "cpu_seconds": round(seconds, 3), "rows": rows}


def _row(mine: list[dict[str, Any]], base: list[dict[str, Any]]) -> dict[str, Any]:
    extra = [a["cpu"] / b["cpu"] - 1 for a, b in zip(mine, base, strict=True)]
    deviation = statistics.stdev(extra) if len(extra) > 1 else math.nan
    return {
        "extra": round(statistics.median(extra), 4),
        "standard_error": round(EFFICIENCY * deviation / math.sqrt(len(extra)), 4),
        "rounds": [round(each, 4) for each in extra],
        "own_account": round(statistics.median(each["own_account"] for each in mine), 4),
        "identical_weights": sum(
            a["weights"] == b["weights"] for a, b in zip(mine, base, strict=True)
        ),
    }


def _in_a_fork(kind: str, cost: Cost | None, updates: int) -> dict[str, Any]:
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        child = context.Process(
            target=_run, args=(kind, cost, updates, Path(folder) / "run", theirs)
        )
        child.start()
        theirs.close()
        told: dict[str, Any] = json.loads(mine.recv())
        child.join()
    return told


def _run(kind: str, cost: Cost | None, updates: int, folder: Path, out: Any) -> None:
    torch.set_num_threads(1)
    begin = time.process_time()
    make: Callable[..., tuple[nn.Module, float]] = _atari if kind == "atari" else _sb3
    network, share = make(kind, cost, updates, folder)
    seconds = time.process_time() - begin
    weights = b"".join(x.detach().contiguous().numpy().tobytes() for x in network.parameters())
    told = {"cpu": seconds, "own_account": share, "weights": hashlib.sha256(weights).hexdigest()}
    out.send(json.dumps(told))


def _sb3(kind: str, cost: Cost | None, updates: int, folder: Path) -> tuple[nn.Module, float]:
    model = watched.sb3_dqn() if kind == "dqn" else watched.sb3_td3()
    callback = None if cost is None else sb3.Callback(out=folder, cost=cost)
    each = model.train_freq if isinstance(model.train_freq, int) else model.train_freq.frequency
    model.learn(model.learning_starts + each * updates, callback)
    network: nn.Module = model.q_net if kind == "dqn" else model.critic
    return network, _share(None if callback is None else callback.monitor)


def _atari(kind: str, cost: Cost | None, updates: int, folder: Path) -> tuple[nn.Module, float]:
    make = functools.partial(loops.Ours, loops.SETTINGS)
    loop = make() if cost is None else make(folder, cost, time.perf_counter)
    settings = loops.SETTINGS
    loop.advance(settings.learning_starts + settings.train_period * updates)
    loop.close()
    return loop.trainer.q_network, _share(loop.monitor)


def _share(monitor: Any) -> float:
    return 0.0 if monitor is None else float(monitor.overhead)
