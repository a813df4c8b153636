"""A process may die at any instant: what was complete stays complete."""

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from qdiverge.errors import CheckpointError
from qdiverge.runs.checkpoints import CheckpointStore

# A child process for every call that changes the file system: it dies just before that call.
DIE_EVERYWHERE = """
import os, sys
from pathlib import Path
from qdiverge.runs.checkpoints import CheckpointStore

store = CheckpointStore(Path(sys.argv[1]))
CHANGES = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "shutil.rmtree"}

def write(step, content, shared=None):
    with store.writing(step) as writer:
        if shared is not None:
            writer.link(store.path(shared) / "replay.npy", store.records(shared)["replay.npy"])
        else:
            writer.write("replay.npy", b"segment")
        writer.write("state.json", content)

def change():
    write(2 if replaces else 3, b"new", shared=2)
    store.remove(1)

def die_before(number):
    left = number
    def hook(event, arguments):
        nonlocal left
        name = str(arguments[0]) if arguments else ""
        if event in CHANGES and (str(store.folder) in name or not os.path.isabs(name)):
            left -= 1
            if left == 0:
                os._exit(9)
    sys.addaudithook(hook)
    change()
    os._exit(0)

for replaces in (False, True):
    number, found = 0, set()
    while True:
        for step in (1, 2, 3):
            store.remove(step)
        store.sweep()
        write(1, b"oldest")
        write(2, b"old")
        number += 1
        child = os.fork()
        if child == 0:
            die_before(number)
        _, status = os.waitpid(child, 0)
        store.sweep()  # as whoever goes on does first
        for step in store.steps():
            store.verify(step)  # nothing that has a name is anything but whole
        newest = store.newest()[0]
        found.add((newest, store.read(newest, "state.json").decode()))
        assert newest >= 2, (number, store.steps())
        assert not list(store.folder.glob(".*"))
        if status == 0:
            break
    print(number, sorted(found))
"""


@functools.cache
def deaths():
    """How many there were and what was found after them: writing a new step, and replacing one."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # for speed
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        arguments = [sys.executable, "-c", DIE_EVERYWHERE, f"{folder}/checkpoints"]
        done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split(maxsplit=1) for line in done.stdout.splitlines()]


def test_dying_before_any_change_of_the_file_system_loses_no_complete_checkpoint():
    (number, found), _ = deaths()
    assert int(number) > 10
    assert found == "[(2, 'old'), (3, 'new')]"


def test_dying_while_a_checkpoint_replaces_one_of_its_step_leaves_either():
    _, (number, found) = deaths()
    assert int(number) > 10
    assert found == "[(2, 'new'), (2, 'old')]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"segmenT", r"replay\.npy must be as it was written; got another SHA-256"),
        (b"segmen", "got 6 bytes for 7"),
        (None, "got No such file or directory"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(content, message, tmp_path):
    store = CheckpointStore(tmp_path)
    with store.writing(1) as writer:
        writer.write("replay.npy", b"segment")
    path = store.path(1) / "replay.npy"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        store.verify(1)


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_a_manifest_of_another_digest_is_refused(digest, tmp_path):
    store = CheckpointStore(tmp_path)
    with store.writing(1) as writer:
        writer.write("replay.npy", b"segment")
    path = store.path(1) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": digest}))
    with pytest.raises(CheckpointError, match=r"manifest\.json .* another SHA-256 or step"):
        store.records(1)


def test_only_the_files_that_are_named_must_be_intact_and_there(tmp_path):
    store = CheckpointStore(tmp_path)
    with store.writing(1) as writer:
        writer.write("weights", b"1")
        writer.write("replay", b"2")
    (store.path(1) / "replay").unlink()
    assert set(store.verify(1, ["weights"])) == {"weights", "replay"}
    with pytest.raises(CheckpointError, match=r"1/optimizer must .* got no such file in its man"):
        store.verify(1, ["optimizer"])


@pytest.mark.parametrize("is_replaced", [True, False])
def test_sweeping_keeps_the_one_of_which_the_successor_never_came(is_replaced, tmp_path):
    store = CheckpointStore(tmp_path)
    with store.writing(8) as writer:
        writer.write("state", b"old")
    store.path(8).rename(tmp_path / ".8.old")
    if is_replaced:
        with store.writing(9) as writer:  # it sweeps, too
            writer.write("state", b"other")
        shutil.copytree(store.path(8), tmp_path / ".8.old")
    (tmp_path / ".7.tmp").mkdir()
    (tmp_path / ".6.gone").mkdir()
    store.sweep()
    assert store.read(8, "state") == b"old"
    assert {path.name for path in tmp_path.iterdir()} == ({"8", "9"} if is_replaced else {"8"})


def test_reading_what_is_gone_names_it(tmp_path):
    store = CheckpointStore(tmp_path)
    with pytest.raises(CheckpointError, match=r"3/state must .* got No such file or directory"):
        store.read(3, "state")
