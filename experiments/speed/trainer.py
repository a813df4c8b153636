"""Time whole training loops on Pong in turn: ours in its variants, a CleanRL-style loop, SB3."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from experiments.speed import loops
from experiments.speed.resident import resident_bytes
from experiments.speed.rounds import CLOCKS, Times, interleaved
from qdiverge.runs import provenance

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("stable-baselines3", "opencv-python-headless", "opencv-python")


def main(arguments: list[str]) -> int:
    """Time, print and write ``results/trainer.json``; return the exit status."""
    options = parse(arguments)
    settings = replace(
        loops.SETTINGS,
        device=options.device,
        num_envs=options.num_envs,
        emulator_threads=options.emulator_threads,
        torch_threads=options.threads,
    )
    torch.set_num_threads(options.threads)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "run"
        wanted = [c for c in loops.contenders(settings, folder) if _is_wanted(c, options.loops)]
        running, rows = start(wanted, options.turn, stack)
        turns = {
            name: lambda loop=loop: loop.advance(options.turn) for name, loop in running.items()
        }
        times = interleaved(
            turns, repeats=options.rounds, budget=1e9, device=options.device, turn=0.0
        )
        for name, loop in running.items():
            rows[name] = row(times[name], times[loops.OURS], options.turn) | {
                "replay_bytes_per_transition": round(loop.replay_bytes() / settings.buffer_size)
            }
            if isinstance(loop, loops.Ours) and loop.monitor is not None:
                rows[name]["monitors_own_account"] = round(loop.monitor.overhead, 4)
    table = {
        "settings": {"turn": options.turn, "rounds": options.rounds, "threads": options.threads},
        "device": options.device,
        "rows": rows,
        "aims": aims(rows),
        "resident": [] if options.no_memory else [resident_bytes(n) for n in (20_000, 100_000)],
        **provenance(),
        "peers": versions(),
        "command": _command(arguments),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.name}.json").write_text(json.dumps(table, indent=1) + "\n")
    print(markdown(rows))
    for aim in table["aims"]:
        print(f"{'met   ' if aim['met'] else 'MISSED'} {aim['aim']}: {aim['measured']}")
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m experiments speed trainer", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=16, help="turns of each loop that are timed (default 16)")
    add("--turn", type=int, default=192, help="agent steps of a turn (default 192)")
    add("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    add("--num-envs", type=int, default=8, help="environments of ours; the peers have one")
    add("--emulator-threads", type=int, default=1, help="of ours")
    add("--device", default="cpu", help="cpu, cuda or cuda:N")
    add("--loops", nargs="*", default=[], help="only those with one of these words, and ours")
    add("--name", default="trainer", help="of the table's file (default trainer)")
    add("--no-memory", action="store_true", help="skip the processes that fill replays")
    add("--out", type=Path, default=RESULTS, help="folder of the table")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.turn < 8 or options.threads < 1:
        parser.error("expected --rounds and --threads of at least 1, --turn of at least 8")
    return options


def _command(arguments: list[str]) -> str:
    """Return the command line; where its table goes does not matter."""
    kept = list(arguments)
    if "--out" in kept:
        del kept[kept.index("--out") : kept.index("--out") + 2]
    return " ".join(["python -m experiments speed trainer", *kept])


def _is_wanted(contender: loops.Contender, words: list[str]) -> bool:
    is_named = any(word.lower() in contender.name.lower() for word in words)
    return not words or contender.name == loops.OURS or is_named


def start(
    rows: list[loops.Contender], turn: int, stack: ExitStack
) -> tuple[dict[str, loops.Loop], dict[str, dict[str, Any]]]:
    """Start the loops that can be, past ``learning_starts`` and one turn of updates."""
    running: dict[str, loops.Loop] = {}
    table: dict[str, dict[str, Any]] = {}
    for contender in rows:
        if contender.missing:
            table[contender.name] = {"status": f"not installed: {', '.join(contender.missing)}"}
            continue
        loop = contender.make()
        stack.callback(loop.close)
        loop.advance(loops.SETTINGS.learning_starts + turn)
        running[contender.name] = loop
        table[contender.name] = {}  # keeps the order
    return running, table


def row(mine: Times, ours: Times, turn: int) -> dict[str, Any]:
    """Return one row: milliseconds of an agent step, and what it takes of our time."""
    found: dict[str, Any] = {"status": mine.failure or "measured"}
    if mine.failure:
        return found
    for clock in CLOCKS:
        seconds, base = mine.seconds(clock), ours.seconds(clock)
        ratios = sorted(a / b for a, b in zip(seconds, base, strict=True))
        quarter = len(ratios) // 4
        found[clock] = {
            "ms_per_step": round(1e3 * statistics.median(seconds) / turn, 3),
            "times_ours": round(statistics.median(ratios), 3),
            "quartiles": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
            "times_ours_in_all": round(sum(seconds) / sum(base), 3),
        }
    return found


def aims(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each aim with what was measured, by processor time."""

    def has(*names: str) -> bool:
        return all(rows.get(name, {}).get("status") == "measured" for name in names)

    def ratio(name: str, over: str) -> float:
        return rows[name]["cpu"]["times_ours"] / rows[over]["cpu"]["times_ours"]

    found = []
    for peer in loops.PEERS:
        for ours, least in ((loops.OURS, 1.5), (loops.BFLOAT16, 2.0)):
            if has(peer, ours):
                value = ratio(peer, ours)
                found.append(_aim(f"{ours}: ≥ {least}× {peer}", f"{value:.2f}×", value >= least))
    if has("SB3's DQN"):
        theirs, own = (rows[n]["replay_bytes_per_transition"] for n in ("SB3's DQN", loops.OURS))
        share = f"1/{theirs / own:.2f}"
        found.append(_aim("replay: an eighth of SB3's", share, round(theirs / own, 1) >= 8.0))
    if has(loops.WATCHED):
        extra = rows[loops.WATCHED]["cpu"]["times_ours_in_all"] - 1
        own_account = rows[loops.WATCHED]["monitors_own_account"]
        measured = f"{extra:+.1%}, by its own account {own_account:.1%}"
        found.append(_aim("monitor at default settings: ≤ 5 %", measured, extra <= 0.05))
    return found


def _aim(aim: str, measured: str, met: bool) -> dict[str, Any]:
    return {"aim": aim, "measured": measured, "met": met}


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """Return the table."""
    lines = [
        "| loop | CPU ms a step | × ours | quartiles | wall ms a step | × ours | replay, bytes |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, found in rows.items():
        if found["status"] != "measured":
            lines.append(f"| {name} | {found['status']} | | | | | |")
            continue
        cpu, wall = found["cpu"], found["wall"]
        low, high = cpu["quartiles"]
        lines.append(
            f"| {name} | {cpu['ms_per_step']:.2f} | {cpu['times_ours']:.2f} | {low:.2f}–{high:.2f} "
            f"| {wall['ms_per_step']:.2f} | {wall['times_ours']:.2f} "
            f"| {found['replay_bytes_per_transition']:,} |"
        )
    return "\n".join(lines)


def versions() -> dict[str, str]:
    """Return the versions of what the peers are made of."""
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
