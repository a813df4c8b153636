"""A genuine run with every kind of file that a run has, made once in a process."""

import functools
import hashlib
import json
import shutil
import tempfile
import zlib
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from qdiverge.cli import main
from qdiverge.runs import manifest
from qdiverge.runs.event_lines import sealed
from qdiverge.runs.info import read_info, write_info
from qdiverge.runs.manifest import FileRecord

TRAIN = [
    *("train", "dqn", "--env", "CartPole-v1", "--hidden-sizes", "8", "--num-envs", "2"),
    *("--prioritized", "--learning-starts", "40", "--batch-size", "8", "--buffer-size", "200"),
    *("--total-steps", "300", "--checkpoint-period", "100", "--every", "20", "--cost", "full"),
    *("--max-overhead", "None", "--epoch-period", "100", "--no-use-target-network"),
    *("--learning-rate", "0.3", "--loss", "mse", "--on-alarm", "snapshot"),
]


@functools.cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="genuine-")) / "run"
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert main([*TRAIN, "--out", str(folder)]) == 3  # it diverges, for the sake of alarms
    info = read_info(folder)
    info["monitor"] |= {"foresight": False, "every": 1_000, "epoch_period": 0}  # resumed in no time
    write_info(folder, info)
    (folder / "report.html").unlink()
    return folder


def genuine_run(folder: Path) -> Path:
    """Put a copy of the run into a folder, and return it."""
    return shutil.copytree(_made(), folder / "run")


def snapshot() -> str:
    """The update of the run's newest snapshot."""
    return newest(_made(), "snapshots").name


def newest(run: Path, kind: str = "checkpoints") -> Path:
    return max((run / kind).iterdir(), key=lambda path: int(path.name))


def change_info(run: Path, **entries: object) -> None:
    """Change run.json as its author can: with the SHA-256 that belongs to it."""
    write_info(run, read_info(run) | entries)


def change_file(folder: Path, name: str, content: bytes | None, size: int | None = None) -> None:
    """Change a file of a checkpoint, or leave it out, and have its manifest say so."""
    if content is not None:
        (folder / name).write_bytes(content)
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    records = {each: FileRecord(**record) for each, record in files.items()}
    records.pop(name, None)
    if content is not None:
        records[name] = FileRecord(size or len(content), hashlib.sha256(content).hexdigest())
    (folder / "manifest.json").write_bytes(manifest.dump(int(folder.name), records))


def change_json(folder: Path, name: str, **entries: object) -> None:
    content = json.loads((folder / name).read_bytes()) | entries
    change_file(folder, name, json.dumps(content).encode())


def seal(entry: object) -> str:
    """Return an entry of any kind, or of none, as a line with the CRC-32 that belongs to it."""
    text = json.dumps(entry, allow_nan=False, separators=(",", ":"))[:-1]
    return f'{text},"crc32":"{zlib.crc32(text.encode()):08x}"}}'


def add_line(run: Path, text: str | None = None, **entries: object) -> None:
    entry = {"kind": "metrics", "step": 301, "time": 9.0} | entries
    line = sealed(entry) if text is None else text.encode()
    with (run / "events.jsonl").open("ab") as file:
        file.write(line + b"\n")
