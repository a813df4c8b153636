"""How long a run of a million lines takes to read, to report and to follow, in fresh processes."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.speed import record
from experiments.speed.high_water import high_water
from experiments.speed.record import made_by, save
from experiments.tables import markdown

LOOKS = 10  # of `qdiverge watch`, at a run that goes on
NEW_LINES = 200  # between two of them


def main(arguments: list[str]) -> int:
    """Time, print and write ``results/reading.json``; return the exit status."""
    flags = record.parser("reading", __doc__)
    flags.add_argument("--lines", type=int, default=1_000_000, help="of metrics")
    flags.add_argument("--numbers", type=int, default=4, help="in each line")
    flags.add_argument("--repeats", type=int, default=3, help="the least counts")
    options = flags.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        write(folder, options.lines, options.numbers)
        bytes_of_log = (folder / "events.jsonl").stat().st_size
        rows = {what: least(what, folder, options.repeats) for what in PARTS}
    parser_alone = rows["parsing alone"]["cpu"]
    for row in rows.values():
        row["parsings"] = round(row["cpu"] / parser_alone, 3)
    content = {"lines": options.lines, "numbers": options.numbers, "bytes": bytes_of_log}
    save(content | {"rows": rows, **made_by("reading", arguments)}, options.out, "reading")
    texts = [[name, *(f"{value:,.3g}" for value in row.values())] for name, row in rows.items()]
    print(markdown(["what", "processor time, s", "largest memory, MB", "× parsing"], texts))
    return 0


def write(folder: Path, lines: int, numbers: int) -> None:
    """Write a run, as :class:`qdiverge.runs.RunLog` does."""
    from qdiverge.runs import RunLog

    names = [f"learner/metric_{number}" for number in range(numbers)]
    with RunLog(folder, {}) as log:
        for step in range(lines):
            log.metrics(step, {name: step / 7 + k for k, name in enumerate(names)})


def least(what: str, folder: Path, repeats: int) -> dict[str, float]:
    """Return the least time of some fresh processes, and the largest memory, imports with it."""
    rows = [in_fresh_process(what, folder) for _ in range(repeats)]
    memory = max(row["megabytes"] for row in rows)
    return {"cpu": round(min(row["cpu"] for row in rows), 4), "megabytes": round(memory)}


def in_fresh_process(what: str, folder: Path) -> dict[str, Any]:
    """Return the processor time of a part, imports left out, and the process's largest memory."""
    command = [sys.executable, "-m", "experiments.speed.reading", what, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def parsing_alone(folder: Path) -> None:
    """Parse every line, and keep nothing: the floor."""
    import msgspec

    decoder = msgspec.json.Decoder(dict[str, Any])
    with (folder / "events.jsonl").open("rb") as file:
        while lines := file.readlines(1 << 16):
            decoder.decode_lines(b"".join(lines))


def load(folder: Path) -> None:
    """Read the run."""
    from qdiverge.runs import load_run

    load_run(folder)


def report(folder: Path) -> None:
    """Read it, and write its page."""
    from qdiverge.report import write_report

    write_report([folder], folder.parent / "report.html")


def look(folder: Path) -> float:
    """Follow it while lines are added; return the mean processor time of a look."""
    from rich.console import Console

    from qdiverge.report.follow import Follower
    from qdiverge.report.terminal import terminal_page

    console = Console(file=io.StringIO(), width=120, height=40)
    run = folder.parent / f"followed-{os.getpid()}"
    shutil.copytree(folder, run)
    with (run / "events.jsonl").open("rb") as file:
        file.seek(-(1 << 16), os.SEEK_END)
        lines = file.readlines()[-NEW_LINES:]
    follower, total = Follower(run), 0.0
    follower.refresh()
    for _ in range(LOOKS):
        with (run / "events.jsonl").open("ab") as file:
            file.writelines(lines)
        start = time.process_time()
        follower.refresh()
        console.print(terminal_page([follower], console.width, console.height - 1))
        total += time.process_time() - start
    shutil.rmtree(run)
    return total / LOOKS


PARTS: dict[str, Callable[[Path], float | None]] = {
    "parsing alone": parsing_alone,
    "load_run": load,
    "report": report,
    "a look of watch, every 2 s": look,
}


def part(what: str, folder: Path) -> None:
    """Run a part in this process; print what it took as JSON."""
    import qdiverge.report
    import qdiverge.runs  # noqa: F401  (imported before the clock starts)

    start = time.process_time()
    own = PARTS[what](folder)
    cpu = time.process_time() - start if own is None else own
    print(json.dumps({"cpu": cpu, "megabytes": high_water()}))


if __name__ == "__main__":
    part(sys.argv[1], Path(sys.argv[2]))
