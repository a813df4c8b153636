"""One value of a run changed by its author: of the right checksum, and of any kind and size."""

import io
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from qdiverge.runs.info import dump_info, read_info, write_info
from tests.runs.hostile.genuine import change_file, newest, seal

VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "x", "-1", "cuda", "meta", "\x1b[2J", "9" * 50, [], {}, [1], [[]]),
    *({"a": 1}, [None], ["x"], [-1], [0], [10**12], {"tensor": "t0"}, {"float": "nan"}),
    *(-1, 0, 1, 2, 3, 7, 255, 625, 10**6, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30)),
    *(0.5, -0.5, 1.0, 1e308, -1e308, 1e-308),
)
OF_INFO = ("report", "watch", "export", "diagnose", "evaluate", "rehearse", "resume")
OF_LOG = ("report", "watch", "export", "resume")
OF_CHECKPOINT = ("diagnose", "inspect", "evaluate", "rehearse", "resume")
OF_SNAPSHOT = ("diagnose-snapshot", "inspect-snapshot", "snapshot put back")
Change = tuple[str, tuple[str, ...]]  # what was changed, and which commands read it


def changed(run: Path, draw: random.Random) -> Change:
    """Change one value somewhere in a run; return which, and who reads it."""
    return draw.choice(WAYS)(run, draw)


def of_info(run: Path, draw: random.Random) -> Change:
    info = read_info(run)
    told = change_a_value(info, draw)
    write_info(run, info)
    return f"run.json: {told}", OF_INFO


def of_state(run: Path, draw: random.Random) -> Change:
    return _of_json(newest(run), "state.json", draw), OF_CHECKPOINT


def of_monitor(run: Path, draw: random.Random) -> Change:
    return _of_json(newest(run), draw.choice(["monitor.json"] * 5 + ["log.json"]), draw), (
        "resume",
    )


def of_copy(run: Path, draw: random.Random) -> Change:
    """The copy of run.json in a checkpoint, where the run's own is lost."""
    folder = newest(run)
    info = json.loads((folder / "run.json").read_bytes())
    del info["sha256"]
    told = change_a_value(info, draw)
    change_file(folder, "run.json", dump_info(info).encode())
    (run / "run.json").write_bytes(b"\0")
    return f"copy of run.json: {told}", ("resume",)


def of_snapshot(run: Path, draw: random.Random) -> Change:
    return _of_json(newest(run, "snapshots"), "state.json", draw), OF_SNAPSHOT


def of_tensors(run: Path, draw: random.Random) -> Change:
    folder = newest(run, draw.choice(["checkpoints", "checkpoints", "snapshots"]))
    path = draw.choice(sorted(folder.glob("*.safetensors")))
    tensors = safetensors.torch.load(path.read_bytes())
    if not tensors:
        return "nothing", ()
    name, told = draw.choice(sorted(tensors)), draw.choice(sorted(OF_TENSORS))
    tensors[name] = OF_TENSORS[told](tensors[name]).contiguous()
    change_file(folder, path.name, safetensors.torch.save(tensors))
    readers = OF_SNAPSHOT if "snapshots" in str(folder) else OF_CHECKPOINT
    return f"{path.name}: {name} {told}", readers


def of_replay(run: Path, draw: random.Random) -> Change:
    """A column of a segment, or the priorities, all of one value."""
    folder = newest(run)
    path = draw.choice(sorted(folder.glob("*.npy")))
    content = path.read_bytes()
    file = io.BytesIO(content)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    begin, end = file.tell(), file.tell() + shape[0] * dtype.itemsize
    rows = np.frombuffer(content[begin:end], dtype).copy()
    value = draw.choice([0, 1, 2, 3, 254, 255, -1, np.nan, np.inf, 1e38])
    column = draw.choice(rows.dtype.names) if rows.dtype.names else None
    with np.errstate(all="ignore"):
        (rows if column is None else rows[column])[...] = np.float64(value)
    change_file(folder, path.name, content[:begin] + rows.tobytes() + content[end:])
    return f"{path.name}: {column} = {value}", OF_CHECKPOINT


def of_line(run: Path, draw: random.Random) -> Change:
    """A value of a line of the log."""
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    place = draw.randrange(len(lines))
    entry = json.loads(lines[place])
    del entry["crc32"]
    told = change_a_value(entry, draw)
    lines[place] = seal(entry)
    (run / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"line {place + 1}: {told}", OF_LOG


def of_arrays(run: Path, draw: random.Random) -> Change:
    path = draw.choice(sorted((run / "arrays").glob("*.npz")))
    with np.load(path) as file:
        arrays = {name: np.array(file[name]) for name in file.files}
    name, told = draw.choice(sorted(arrays)), draw.choice(sorted(OF_ARRAYS))
    array = OF_ARRAYS[told](arrays.pop(name))
    arrays |= {} if array is None else {name: array}
    np.savez_compressed(path, **arrays)
    return f"{path.name}: {name} {told}", ("report",)


WAYS = (
    *(of_info, of_state, of_state, of_monitor, of_monitor, of_copy, of_snapshot),
    *(of_tensors, of_replay, of_line, of_arrays),
)
OF_TENSORS = {
    "less": lambda t: t[:-1] if t.dim() else t,
    "turned": lambda t: t.T if t.dim() == 2 else t,
    "flat": Tensor.flatten,
    "empty": lambda t: t.flatten()[:0],
    "double": lambda t: t.double(),
    "integers": lambda t: torch.zeros(t.shape, dtype=torch.int64),
    "complex": lambda t: t.to(torch.complex64),
    "of eighths": lambda t: t.float().to(torch.float8_e4m3fn),
    "NaN": lambda t: torch.full(t.shape, torch.nan),
    "huge": lambda t: torch.full(t.shape, 3e38),
    "of one more axis": lambda t: t[None],
}
OF_ARRAYS = {
    "left out": lambda a: None,
    "less": lambda a: a[:-1] if a.ndim else a,
    "flat": np.ravel,
    "empty": lambda a: a.ravel()[:0],
    "text": lambda a: a.astype(str),
    "complex": lambda a: np.zeros(a.shape, complex),
    "NaN": lambda a: np.full(a.shape, np.nan),
    "huge": lambda a: np.full(a.shape, 1e308),
    "negative": lambda a: np.full(a.shape, -1),
    "a number": lambda a: np.array(1.0),
    "of one more axis": lambda a: a[None],
}


def change_a_value(content: dict[str, Any], draw: random.Random) -> str:
    """Change one value, however deep, in place; or leave it out. Return what was done."""
    first = draw.choice(sorted(content))  # each entry alike, however much is in it
    path = draw.choice(list(_paths(content[first], (first,))))
    *way, last = path
    holder: Any = content
    for step in way:
        holder = holder[step]
    where = ".".join(map(str, path))
    if draw.random() < 0.2:
        del holder[last]
        return f"{where} left out"
    holder[last] = draw.choice(VALUES)
    return f"{where} = {holder[last]!r}"


def _paths(value: object, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _paths(value[name], (*path, name))
    elif isinstance(value, list):
        for place in range(min(len(value), 4)):
            yield from _paths(value[place], (*path, place))


def _of_json(folder: Path, name: str, draw: random.Random) -> str:
    content = json.loads((folder / name).read_bytes())
    told = change_a_value(content, draw)
    change_file(folder, name, json.dumps(content).encode())
    return f"{folder.parent.name}/{name}: {told}"


def only_newest(run: Path) -> None:
    """Leave the newest checkpoint alone there, so that none stands in for it."""
    for folder in (run / "checkpoints").iterdir():
        if folder != newest(run):
            shutil.rmtree(folder)
