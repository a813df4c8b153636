"""Time whole training loops on Pong in turn: ours in its variants, a CleanRL-style loop, SB3.

Each loop has a process of its own, and only one of them works at a time.
"""

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.speed import loops, record
from experiments.speed.record import made_by, save
from experiments.speed.remote import LoopError, Remote
from experiments.speed.resident import resident_bytes
from experiments.speed.rounds import Times
from experiments.speed.trainer_table import aims, row, text
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.runs.provenance import installed

PACKAGES = ("stable-baselines3", "opencv-python-headless", "opencv-python")


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/trainer.json``; return the exit status."""
    options = parse(arguments)
    settings = replace(
        loops.SETTINGS,
        device=options.device,
        num_envs=options.num_envs,
        emulator_threads=options.emulator_threads,
        torch_threads=options.threads,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "run"
        wanted = [c for c in loops.contenders(settings, folder) if _is_wanted(c, options.loops)]
        rows = measure(wanted, settings, folder, options, stack)
    table = {
        "settings": {"turn": options.turn, "rounds": options.rounds, "threads": options.threads},
        "device": options.device,
        "rows": rows,
        "aims": aims(rows),
        "resident": [] if options.no_memory else [resident_bytes(n) for n in (20_000, 100_000)],
        **made_by("trainer", arguments),
        "peers": installed(PACKAGES),
    }
    save(table, options.out, options.name)
    print(text(rows))
    for aim in table["aims"]:
        print(f"{'met   ' if aim['met'] else 'MISSED'} {aim['aim']}: {aim['measured']}")
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = record.parser("trainer", __doc__, threads=1)
    add = parser.add_argument
    add("--rounds", type=int, default=16, help="turns of each loop that are timed (default 16)")
    add("--turn", type=int, default=192, help="agent steps of a turn (default 192)")
    add("--num-envs", type=int, default=8, help="environments of ours; the peers have one")
    add("--emulator-threads", type=int, default=1, help="of ours")
    add("--device", default="cpu", help="cpu, cuda or cuda:N")
    add("--loops", nargs="*", default=[], help="only those with one of these words, and ours")
    add("--name", default="trainer", help="of the table's file (default trainer)")
    add("--no-memory", action="store_true", help="skip the processes that fill replays")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.turn < 8 or options.threads < 1:
        parser.error("expected --rounds and --threads of at least 1, --turn of at least 8")
    return options


def _is_wanted(contender: loops.Contender, words: list[str]) -> bool:
    is_named = any(word.lower() in contender.name.lower() for word in words)
    return not words or contender.name == loops.OURS or is_named


def measure(
    wanted: list[loops.Contender],
    settings: DQNConfig,
    folder: Path,
    options: argparse.Namespace,
    stack: ExitStack,
) -> dict[str, dict[str, Any]]:
    """Start the loops, each in its process, and let them take turns."""
    running: dict[str, Remote] = {}
    times = {contender.name: Times() for contender in wanted}
    for contender in wanted:
        if contender.missing:
            times[contender.name].failure = f"not installed: {', '.join(contender.missing)}"
            continue
        running[contender.name] = Remote(contender.name, settings, folder)
        stack.callback(running[contender.name].close)
    for turn in range(-1, options.rounds):
        for name, loop in running.items():
            steps = options.turn + (settings.learning_starts if turn < 0 else 0)
            if not times[name].failure:
                advance(loop, steps, times[name] if turn >= 0 else Times(), times[name])
    rows = {name: row(mine, times[loops.OURS], options.turn) for name, mine in times.items()}
    for name, loop in running.items():
        if not times[name].failure:
            facts = loop.facts()
            per_transition = round(facts.pop("replay_bytes") / settings.buffer_size)
            rows[name] |= facts | {"replay_bytes_per_transition": per_transition}
    return rows


def advance(loop: Remote, steps: int, times: Times, failed: Times) -> None:
    """Let a loop take its turn, and note the time or the failure."""
    try:
        wall, cpu = loop.advance(steps)
    except LoopError as error:
        failed.failure = str(error)
        return
    times.wall.append(wall)
    times.cpu.append(cpu)
