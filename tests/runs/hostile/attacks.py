"""What a hostile author can do to a run's folder: a function each, of it and what is outside.

They have every checksum right where an author could have it right.
"""

import base64
import io
import json
import os
import pickle
import shutil
import socket
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from tests.runs.hostile.canaries import EVIL, SECRET, Outside
from tests.runs.hostile.genuine import (
    add_line,
    change_file,
    change_info,
    change_json,
    newest,
    seal,
)

Attack = Callable[[Path, Outside], None]
ATTACKS: dict[str, Attack] = {}
CONTROLS = "\x1b[2J\x1b]0;owned\x07\r\x08\x9b31m\u202e\u2066\u2028"
MARKUP = "<x-evil onload=alert(1)></title></style></script><script>alert(1)</script>\"'"
FILES_OF_A_CHECKPOINT = tuple(
    f"@/{name}"
    for name in ("manifest.json", "state.json", "weights.safetensors", "replay-000002.npy")
)
WRITTEN = (  # what some command writes, and what it writes it aside as
    *(
        f"{name}{end}"
        for name in ("report.html", "run.json", "metrics.csv")
        for end in ("", ".tmp")
    ),
    *("diagnosis.txt", "diagnosis.txt.tmp", "diagnosis.json.tmp", "rehearsal.txt.tmp"),
    *("moment-300.html", "moment-300.html.tmp", ".lock", "events.jsonl"),
)


def attack(name: str) -> Callable[[Attack], Attack]:
    def keep(function: Attack) -> Attack:
        assert name not in ATTACKS
        ATTACKS[name] = function
        return function

    return keep


def replace(path: Path, by: Callable[[Path], object]) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    by(path)


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def to_secret(path: Path, outside: Outside) -> None:
    replace(path, lambda at: at.symlink_to(outside.folder / "secret.json"))


def link_folder(path: Path, outside: Outside) -> None:
    replace(path, lambda at: at.symlink_to(outside.folder / "inner"))


def each(words: str, change: Callable[[Path, Outside], object], names: tuple[str, ...]) -> None:
    """Keep an attack for each of some files of a run; "@" stands for its newest checkpoint."""

    def one(name: str, run: Path, outside: Outside) -> None:
        change(newest(run) / name[2:] if name.startswith("@/") else run / name, outside)

    for name in names:
        attack(f"{words} {name}")(partial(one, name))


# Links, to files and to folders
each("link", to_secret, WRITTEN)
each("link", to_secret, FILES_OF_A_CHECKPOINT)
each("link folder", link_folder, ("arrays", "checkpoints", "snapshots", "evaluations"))
each("link folder", link_folder, ("tensorboard", "checkpoints/400", "checkpoints/.320.tmp"))
each("link folder", link_folder, ("checkpoints/.5.old", "checkpoints/.x.old"))


@attack("link arrays of a kernel")
def _(run: Path, outside: Outside) -> None:
    for name in ("kernel-0000000200.npz", "kernel-0000000999.npz"):
        to_secret(run / "arrays" / name, outside)


@attack("link that leads nowhere yet")
def _(run: Path, outside: Outside) -> None:
    for name in ("events.jsonl", "report.html.tmp", ".lock"):
        replace(run / name, lambda at: at.symlink_to(outside.folder / "new.txt"))


@attack("hard links to what is written in place")
def _(run: Path, outside: Outside) -> None:
    for name in ("events.jsonl", ".lock"):
        replace(run / name, lambda at: os.link(outside.folder / "inner/keep.txt", at))


def to_zeros(path: Path, _: Outside) -> None:
    replace(path, lambda at: at.symlink_to("/dev/zero"))


# What is no regular file
KERNEL_FILE = "arrays/kernel-0000000300.npz"
NO_FILES = ("run.json", "events.jsonl", ".lock", "report.html.tmp", KERNEL_FILE)
each("fifo", lambda path, _: replace(path, os.mkfifo), NO_FILES)
each("fifo", lambda path, _: replace(path, os.mkfifo), FILES_OF_A_CHECKPOINT)
ENDLESS = ("run.json", "events.jsonl", "@/weights.safetensors")
each(
    "endless device", lambda path, _: replace(path, lambda at: at.symlink_to("/dev/zero")), ENDLESS
)
each("socket", lambda path, _: replace(path, make_socket), ("events.jsonl",))
FOLDERS = ("run.json", "events.jsonl", "report.html", ".lock", "diagnosis.txt")
each("folder", lambda path, _: replace(path, Path.mkdir), FOLDERS)


# Names that lead out
def rename_in_manifest(run: Path, name: str) -> None:
    folder = newest(run)
    content = json.loads((folder / "manifest.json").read_bytes())["files"]
    record = content["weights.safetensors"]
    change_file(folder, "state.json", (folder / "state.json").read_bytes())
    from qdiverge.runs import manifest

    records = {each: manifest.FileRecord(**content[each]) for each in content}
    records[name] = manifest.FileRecord(**record)
    (folder / "manifest.json").write_bytes(manifest.dump(int(folder.name), records))


def names_upward(run: Path, _: Outside) -> None:
    rename_in_manifest(run, "../../../outside/secret.json")


attack("manifest names upward")(names_upward)
attack("manifest names dots")(lambda run, _: rename_in_manifest(run, ".."))
attack("manifest names absolute")(
    lambda run, outside: rename_in_manifest(run, str(outside.folder / "secret.json"))
)


def rename_segment(run: Path, name: str) -> None:
    state = json.loads((newest(run) / "state.json").read_bytes())
    state["replay"]["segments"][0]["name"] = name
    change_json(newest(run), "state.json", replay=state["replay"])


ATTACKS["segment named upward"] = lambda run, _: rename_segment(run, "../../../outside/secret.json")
ATTACKS["segment named absolute"] = lambda run, outside: rename_segment(
    run, str(outside.folder / "secret.json")
)
ATTACKS["segment that is no text"] = lambda run, _: rename_segment(run, [5])


# Sizes
def npz(**arrays: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array: object, shape: object = None, dtype: str | None = None) -> bytes:
    file = io.BytesIO()
    array = np.asarray(array)
    header = {"descr": dtype or array.dtype.str, "fortran_order": False, "shape": shape}
    header["shape"] = array.shape if shape is None else shape
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


KERNEL = "arrays/kernel-0000000400.npz"


@attack("npz that unpacks to 1.6 GB")
def _(run: Path, _: Outside) -> None:
    zeros = npy(np.zeros(1 << 20, np.uint8), (1600 << 20,))
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("kernel.npy", "w", force_zip64=True) as member,
    ):
        member.write(zeros[: -(1 << 20)])
        for _each in range(1600):
            member.write(bytes(1 << 20))
    (run / KERNEL).write_bytes(file.getvalue())


@attack("npz of many bombs below the limit")
def _(run: Path, _: Outside) -> None:
    content = npz(kernel=npy(np.zeros((4096, 1 << 12), np.float64)))
    for step in range(400, 410):
        (run / f"arrays/kernel-{step:010d}.npz").write_bytes(content)


@attack("npz whose header says more than there is")
def _(run: Path, _: Outside) -> None:
    (run / KERNEL).write_bytes(npz(kernel=npy(np.zeros(4), (1 << 40, 1 << 20))))


@attack("npz with an object")
def _(run: Path, outside: Outside) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return open, (str(outside.folder / "executed"), "w")

    file = io.BytesIO()
    np.save(file, np.array([Evil()], dtype=object), allow_pickle=True)
    (run / KERNEL).write_bytes(npz(kernel=file.getvalue()))
    change_file(newest(run), "priorities.npy", file.getvalue())


@attack("npz of 10,000 arrays")
def _(run: Path, _: Outside) -> None:
    (run / KERNEL).write_bytes(npz(**{f"a{k}": b"" for k in range(10_000)}))


@attack("npz with a name that leads out")
def _(run: Path, _: Outside) -> None:
    (run / KERNEL).write_bytes(npz(**{"../../../outside/x": npy(np.eye(2))}))


@attack("arrays that fit nothing")
def _(run: Path, _: Outside) -> None:
    texts = npy(np.array(["a", "b"]))
    (run / KERNEL).write_bytes(npz(kernel=npy(np.eye(3)), actions=texts, eigenvalues=texts))
    (run / "arrays/kernel-0000000401.npz").write_bytes(npz(kernel=npy(np.zeros((2, 2, 2)))))
    (run / "arrays/kernel-0000000402.npz").write_bytes(npz(kernel=npy(np.eye(2, dtype=complex))))
    (run / "arrays/foresight-0000000400.npz").write_bytes(npz(low=npy(np.eye(2))))
    remedy = npz(updates=npy(np.arange(2)), low=texts, median=texts, high=texts, remedies=texts)
    (run / "arrays/foresight-0000000401.npz").write_bytes(remedy)


@attack("safetensors with a header of 2⁶² bytes")
def _(run: Path, _: Outside) -> None:
    change_file(newest(run), "weights.safetensors", struct.pack("<Q", 1 << 62) + b"{}")


@attack("safetensors with a deep header")
def _(run: Path, _: Outside) -> None:
    header = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    change_file(newest(run), "weights.safetensors", struct.pack("<Q", len(header)) + header)


@attack("sparse files of 1 TB")
def _(run: Path, _: Outside) -> None:
    for path in (run / "run.json", newest(run) / "state.json", newest(run) / "manifest.json"):
        os.truncate(path, 1 << 40)


@attack("a sparse log of 1 TB")
def _(run: Path, _: Outside) -> None:
    os.truncate(run / "events.jsonl", 1 << 40)
    change_json(newest(run), "log.json", position=1 << 50)


@attack("a sparse checkpoint of 1 TB that its manifest is right about")
def _(run: Path, _: Outside) -> None:
    for kind, name in (("checkpoints", "replay-000002.npy"), ("snapshots", "batch.safetensors")):
        folder = newest(run, kind)
        change_file(folder, name, (folder / name).read_bytes(), size=1 << 40)
        os.truncate(folder / name, 1 << 40)


@attack("a log of 64 MB without a line's end")
def _(run: Path, _: Outside) -> None:
    with (run / "events.jsonl").open("ab") as file:
        file.write(bytes(64 << 20))


@attack("20,000 metrics and 20,000 alarms")
def _(run: Path, _: Outside) -> None:
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        for k in range(20):
            names = {f"diverge/{k}-{n}": 1.0 for n in range(1_000)}
            file.write(seal({"kind": "metrics", "step": 301 + k, "time": 9.0} | names) + "\n")
        for k in range(20_000):
            alarm = {"kind": "alarm", "step": 301, "update": k, "rule": f"r{k}", "message": "m"}
            file.write(seal(alarm) + "\n")


@attack("steps and times at the ends of what there is")
def _(run: Path, _: Outside) -> None:
    for step in (-(1 << 53), 1 << 53, 0):
        for time in (-1e308, 1e308, 0.0):
            add_line(run, step=step, time=time, loss=1.0, update=float(step))
            add_line(run, kind="alarm", step=step, time=time, update=step, rule="r", message="m")
    config = {"total_steps": 1 << 53, "discount": 1e308, "learning_rate": -1e308}
    change_info(run, seconds=1e308, deadline_seconds=-1e308, config=config)


@attack("a run.json of 5 MB")
def _(run: Path, _: Outside) -> None:
    change_info(run, note="x" * (5 << 20))


@attack("a line of 5 MB")
def _(run: Path, _: Outside) -> None:
    add_line(run, "x" * (5 << 20))
    add_line(run, loss=1.0, text=None)


@attack("deep nesting everywhere")
def _(run: Path, _: Outside) -> None:
    deep = "[" * 50_000 + "]" * 50_000
    (run / "run.json").write_text(f'{{"config": {deep}}}', encoding="utf-8")
    add_line(run, f'{{"kind": "alarm", "step": 1, "evidence": {deep}}}')
    change_file(newest(run), "state.json", f'{{"step": {deep}}}'.encode())


@attack("nesting that a reader bears and a writer does not")
def _(run: Path, _: Outside) -> None:
    deep = "[" * 900 + "]" * 900
    (run / "run.json").write_text(f'{{"config": {{"a": {deep}}}}}', encoding="utf-8")


@attack("numbers that nothing holds")
def _(run: Path, _: Outside) -> None:
    digits = "9" * 4000
    for value in (digits, "1e999", "-1e999", "NaN", "Infinity", "1e308"):
        add_line(run, f'{{"kind": "metrics", "step": 400, "time": 1.0, "loss": {value}}}')
        add_line(run, f'{{"kind": "metrics", "step": {value}, "time": 1.0, "loss": 1.0}}')
    change_info(run, seed=10**60, config={"total_steps": 10**60, "discount": 10**60})


@attack("numbers too long for run.json")
def _(run: Path, _: Outside) -> None:
    (run / "run.json").write_text(f'{{"seed": {"9" * 100_000}}}', encoding="utf-8")


# Code
def name_environment(run: Path, name: object) -> None:
    from qdiverge.runs.info import read_info

    change_info(run, config=read_info(run)["config"] | {"environment": name})
    for folder in (run / "checkpoints").iterdir():
        config = json.loads((folder / "state.json").read_bytes())["config"]
        change_json(folder, "state.json", config=config | {"environment": name})


NAMES: dict[str, object] = {
    "a module and a task": f"{EVIL}:Task-v0",
    "a module and a known task": f"{EVIL}:CartPole-v1",
    "a module and an Atari game": f"{EVIL}:ALE/Pong-v5",
    "a module that poses as ours": f"{EVIL}:qdiverge/FourRooms-v0",
    "a module alone": EVIL,
    "an entry point": f"{EVIL}:Env:make",
    "a path": f"./{EVIL}.py",
    "a list": [EVIL],
    "nothing": "",
    "control characters": f"Cart\x1b[2J{EVIL}",
}


def named(name: object, run: Path, _: Outside) -> None:
    name_environment(run, name)


for _label, _name in NAMES.items():
    attack(f"environment is {_label}")(partial(named, _name))


@attack("modules of the names of packages")
def _(run: Path, outside: Outside) -> None:
    for name in ("gymnasium", "minatar", "ale_py", "rich", "PIL", "tensorboard", "pyarrow"):
        outside.evil_module(run, name)


@attack("sinks that are modules")
def _(run: Path, _: Outside) -> None:
    change_info(run, monitor={"sinks": [f"{EVIL}:Sink"], "on_alarm": EVIL})


@attack("settings that name code")
def _(run: Path, _: Outside) -> None:
    config = json.loads((newest(run) / "state.json").read_bytes())["config"]
    code = {name: f"{EVIL}:x" for name, value in config.items() if isinstance(value, str)}
    change_info(run, config=config | code, make_q_network=f"{EVIL}:net", policy=f"{EVIL}:policy")


@attack("an optimiser that is code")
def _(run: Path, _: Outside) -> None:
    folder = newest(run, "snapshots")
    optimizer = json.loads((folder / "state.json").read_bytes())["optimizer"]
    change_json(folder, "state.json", optimizer=optimizer | {"like": f"{EVIL}.SGD"})
    groups = [{"lr": f"{EVIL}:x", "foreach": EVIL, "betas": "x"}]
    change_json(newest(run), "state.json", optimizer=groups)


@attack("a pickle in the place of weights")
def _(run: Path, _: Outside) -> None:
    change_file(newest(run), "weights.safetensors", pickle.dumps({"a": 1}))
    (run / "arrays/kernel-0000000300.npz").write_bytes(pickle.dumps({"a": 1}))


# Settings that ask for more than there is
LARGE: dict[str, dict[str, object]] = {
    "a network": {"hidden_sizes": [1 << 20, 1 << 20]},
    "a replay": {"buffer_size": 1 << 40},
    "a batch": {"batch_size": 1 << 40},
    "threads": {"torch_threads": 1 << 20},
    "environments": {"num_envs": 1 << 40},
}


def ask_for(entries: dict[str, object], run: Path, _: Outside) -> None:
    from qdiverge.runs.info import read_info

    change_info(run, config=read_info(run)["config"] | entries)
    for folder in (run / "checkpoints").iterdir():
        config = json.loads((folder / "state.json").read_bytes())["config"]
        change_json(folder, "state.json", config=config | entries)


for _label, _entries in LARGE.items():
    attack(f"settings that ask for {_label} larger than the machine")(partial(ask_for, _entries))


# Text that a terminal or a browser would obey
def fill(value: object, text: str) -> object:
    """Return JSON with a text in the place of every string, its names included."""
    if isinstance(value, dict):
        return {f"{name}{text}" if name else name: fill(each, text) for name, each in value.items()}
    return text if isinstance(value, str) else value


def strings(run: Path, text: str) -> None:
    from qdiverge.runs.info import read_info

    info = read_info(run)
    for name, value in info.items():
        if name not in ("schema", "process", "config", "monitor"):
            info[name] = fill(value, text) if isinstance(value, dict) else text
    info["config"] |= {f"note{text}": text, "nested": [{text: text}]}
    info["audit"] = {"num_audits": 2, "trains": text, "why_not": text}
    change_info(run, **(info | {"seconds": 1.0, "measured_otherwise": text}))
    for kind in ("divergence", "loop", "condition", text):
        evidence = {text: text, "n": 1.0}
        alarm = {"kind": "alarm", "step": 5, "update": 1, "rule": text, "message": text}
        add_line(run, **(alarm | {"class": kind, "evidence": evidence}))
    add_line(run, **{text: 1.0, f"diverge/{text}": 2.0})
    add_line(run, kind=text, text=None)


ATTACKS["control characters in every string"] = lambda run, _: strings(run, CONTROLS)
ATTACKS["markup in every string"] = lambda run, _: strings(run, MARKUP)
ATTACKS["half surrogate pairs in every string"] = lambda run, _: strings(run, "a\ud800\udfffb")
ATTACKS["line ends in every string"] = lambda run, _: strings(run, "ok\nqdiverge: all is well\n\t")


@attack("control characters and markup in names of files")
def _(run: Path, _: Outside) -> None:
    for name in ("moment-\x1b[2J.html", "moment-<x-evil>.html", b"moment-\xff\xfe.html"):
        path = os.path.join(os.fsencode(run), os.fsencode(name))
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    (run / "arrays/kernel-\x1b[2J.npz").write_bytes(b"")
    (run / "checkpoints/\x1b[2J").mkdir()


# What is no run's content
@attack("wrong types in run.json")
def _(run: Path, _: Outside) -> None:
    from qdiverge.runs.info import KINDS

    change_info(run, **{name: [{"a": [1]}] for name in KINDS if name != "schema"})


@attack("other wrong types in run.json")
def _(run: Path, _: Outside) -> None:
    from qdiverge.runs.info import KINDS

    kinds = {dict: {}, str: 5, float: "x"}
    change_info(run, **{name: kinds.get(kind, {"a": None}) for name, kind in KINDS.items()})


@attack("a run.json that is a list")
def _(run: Path, _: Outside) -> None:
    (run / "run.json").write_text("[1, 2]", encoding="utf-8")


@attack("an empty run.json")
def _(run: Path, _: Outside) -> None:
    (run / "run.json").write_text("{}", encoding="utf-8")


@attack("keys twice, no UTF-8, zeros")
def _(run: Path, _: Outside) -> None:
    (run / "run.json").write_bytes(b'{"name": "a", "name": "b\xff"}')
    with (run / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "metrics", "step": 400, "step": 401, "time": 1, "x": 1}\n')
        file.write(
            b'{"kind": "metrics", "step": 400, "time": 1, "x\xff": 1}\n\0\0\0\n\n[]\n5\n""\n'
        )


@attack("lines of wrong types")
def _(run: Path, _: Outside) -> None:
    for value in (None, "x", [1], {"a": 1}, 2.5, 1 << 60):
        add_line(run, step=value, loss=1.0)
        add_line(run, kind=value)
        add_line(run, kind="alarm", step=value, update=1, rule="a", message="b")
        add_line(run, kind="alarm", update=value, rule=value, message=value, evidence=value)
        add_line(run, kind="sync", update=value)
        add_line(run, loss=value)
        add_line(run, time=value, loss=1.0)


@attack("weights of other shapes")
def _(run: Path, _: Outside) -> None:
    content = safetensors.torch.save(
        {"online.layers.0.weight": torch.zeros(2, 3), SECRET[:3]: torch.ones(1)}
    )
    change_file(newest(run), "weights.safetensors", content)
    change_file(newest(run, "snapshots"), "networks.safetensors", content)


@attack("a state that fits nothing")
def _(run: Path, _: Outside) -> None:
    steps = sorted((run / "checkpoints").iterdir(), key=lambda path: int(path.name))
    change_json(steps[0], "state.json", generators={"a": 5}, optimizer=[])
    change_json(steps[1], "state.json", step="x", updates=None)
    change_json(steps[2], "state.json", generators={}, replay={"segments": 5})
    change_json(newest(run, "snapshots"), "state.json", alarms=[5], options=[])


@attack("random states that are none")
def _(run: Path, _: Outside) -> None:
    state = json.loads((newest(run) / "state.json").read_bytes())
    broken = {
        name: {"torch": base64.b64encode(b"x").decode()} if "torch" in value else {"state": 5}
        for name, value in state["generators"].items()
    }
    change_json(newest(run), "state.json", generators=broken)


@attack("a place in the log that is none")
def _(run: Path, _: Outside) -> None:
    for folder in (run / "checkpoints").iterdir():
        change_json(folder, "log.json", position=-5, seconds=1e300)
    change_file(newest(run), "log.json", b'{"position": 1e400}')


@attack("a monitor that is none")
def _(run: Path, _: Outside) -> None:
    change_file(newest(run), "monitor.json", b'{"a": {"tensor": "none"}}')
    change_info(run, monitor={"every": "x", "cost": 5, "max_overhead": []})


@attack("a replay that is another's")
def _(run: Path, _: Outside) -> None:
    change_file(newest(run), "replay-000002.npy", npy(np.zeros(4)))
    state = json.loads((newest(run) / "state.json").read_bytes())
    state["replay"]["segments"][0]["count"] = [1 << 50, -5]
    change_json(newest(run), "state.json", replay=state["replay"])


def fill_replay(run: Path, column: str, value: object) -> None:
    """Give every row of the newest checkpoint's replay one value in a column."""
    for path in newest(run).glob("replay-*.npy"):
        content = path.read_bytes()
        file = io.BytesIO(content)
        np.lib.format.read_magic(file)
        (count,), _, dtype = np.lib.format.read_array_header_1_0(file)
        begin, end = file.tell(), file.tell() + count * dtype.itemsize
        rows = np.frombuffer(content[begin:end], dtype).copy()
        rows[column] = value
        change_file(newest(run), path.name, content[:begin] + rows.tobytes() + content[end:])


@attack("a replay without an action")
def _(run: Path, _: Outside) -> None:
    fill_replay(run, "action", 255)


@attack("actions that there are none of")
def _(run: Path, _: Outside) -> None:
    fill_replay(run, "action", 254)


@attack("a ring that is not as large")
def _(run: Path, _: Outside) -> None:
    state = json.loads((newest(run) / "state.json").read_bytes())
    many = {key: [1 << 40, 1 << 40] for key in ("head", "filled", "begun")}
    change_json(newest(run), "state.json", replay=state["replay"] | many)


@attack("a segment of another name")
def _(run: Path, _: Outside) -> None:
    state = json.loads((newest(run) / "state.json").read_bytes())
    segment = state["replay"]["segments"][0]
    change_file(newest(run), "replay.npy", (newest(run) / segment["name"]).read_bytes())
    segment["name"] = "replay.npy"
    change_json(newest(run), "state.json", replay=state["replay"])


@attack("a monitor of wrong types")
def _(run: Path, _: Outside) -> None:
    for step, entries in (
        (100, {"num_updates": "x"}),
        (200, {"past": {"diverge/q_max": [[1], []]}}),
    ):
        change_json(run / f"checkpoints/{step}", "monitor.json", **entries)
    change_json(newest(run), "monitor.json", look_due=[], alarms=[{"step": 1}])


@attack("moments that fit no parameter")
def _(run: Path, _: Outside) -> None:
    folder = newest(run)
    saved = safetensors.torch.load((folder / "optimizer.safetensors").read_bytes())
    changed = {name: tensor.long() for name, tensor in saved.items()}
    change_file(folder, "optimizer.safetensors", safetensors.torch.save(changed))


@attack("a generator that leads out of its numbers")
def _(run: Path, _: Outside) -> None:
    folder = newest(run, "snapshots")
    states = json.loads((folder / "state.json").read_bytes())["random_states"]
    states["numpy"]["state"]["pos"] = (1 << 31) - 5
    change_json(folder, "state.json", random_states=states)


@attack("lines that lack a part")
def _(run: Path, _: Outside) -> None:
    entry = {"kind": "metrics", "step": 301, "time": 9.0, "loss": 1.0}
    for name in entry:
        add_line(run, seal({key: value for key, value in entry.items() if key != name}))


@attack("nothing but run.json")
def _(run: Path, _: Outside) -> None:
    for path in run.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "run.json":
            path.unlink()
