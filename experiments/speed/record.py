"""The file of a benchmark's numbers: where it is, and what made them."""

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from experiments.speed.rounds import CLOCKS
from qdiverge.runs import provenance
from qdiverge.runs.whole import write_whole

RESULTS = Path(__file__).parent / "results"


def parser(
    benchmark: str, description: str | None, threads: int | None = None, clock: str | None = None
) -> argparse.ArgumentParser:
    """Return the arguments that benchmarks share; ``threads`` and ``clock`` are defaults."""
    made = argparse.ArgumentParser(
        f"python -m experiments speed {benchmark}", description=description
    )
    if threads:
        made.add_argument("--threads", type=int, default=threads, help="of PyTorch")
    if clock:
        made.add_argument("--clock", choices=CLOCKS, default=clock, help="cpu: of all threads")
    made.add_argument("--out", type=Path, default=RESULTS, help="folder of the table")
    return made


def made_by(benchmark: str, arguments: list[str]) -> dict[str, Any]:
    """Return the provenance of a benchmark; in its command not where the file goes.

    >>> made_by("sweep", ["--cells", "3", "--out", "aside"])["command"]
    'python -m experiments speed sweep --cells 3'
    """
    words = list(arguments)
    if "--out" in words:
        del words[words.index("--out") : words.index("--out") + 2]
    command = ["python", "-m", "experiments", "speed", benchmark, *words]
    return provenance() | {"command": shlex.join(command)}


def save(content: dict[str, Any], folder: Path, name: str) -> Path:
    """Write ``NAME.json``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return write_whole(folder / f"{name}.json", text + "\n")
