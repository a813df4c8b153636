"""A folder that changes while it is read: names that become links between a look and an opening."""

import contextlib
import ctypes
import subprocess
import sys

import pytest

from qdiverge.runs import open_folder
from tests.runs.hostile.canaries import SECRET, Outside
from tests.runs.hostile.genuine import genuine_run
from tests.runs.hostile.test_hostile import COMMANDS, told

EXCHANGE, HERE = 2, -100  # RENAME_EXCHANGE, AT_FDCWD
# exchanges pairs of names until its input ends, as fast as it can
SWAP = """
import ctypes, os, select, sys
libc, pairs = ctypes.CDLL(None), [tuple(map(os.fsencode, p.split("|"))) for p in sys.argv[1:]]
print("ready", flush=True)
turn = 0
while not select.select([sys.stdin], [], [], 0)[0] or turn % 2:
    for one, other in pairs:
        libc.renameat2(-100, one, -100, other, 2)
    turn += 1
print(turn)
"""
SWAPPED = {  # what is exchanged with a link to what lies outside
    "folders": {"arrays": "inner", "checkpoints": "inner", "snapshots": "inner"},
    "files": {"run.json": "secret.json", "events.jsonl": "inner/keep.txt", ".lock": "new"},
    "files of folders": {
        "arrays/kernel-0000000300.npz": "inner/secret.npz",
        "checkpoints/300/manifest.json": "secret.json",
        "checkpoints/300/state.json": "secret.json",
        "checkpoints/300": "inner",
    },
}


def has_exchange():
    if sys.platform != "linux":
        return False
    renames = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return renames is not None


pytestmark = pytest.mark.skipif(not has_exchange(), reason="names are exchanged by Linux alone")


@contextlib.contextmanager
def swapping(run, outside, kind):
    """Exchange names of a run with links to outside, by another process, and count how often."""
    aside = run.parent / "aside"
    aside.mkdir(exist_ok=True)
    pairs = []
    for number, (name, target) in enumerate(SWAPPED[kind].items()):
        link = aside / f"{kind} {number}"
        if not link.is_symlink():
            link.symlink_to(outside.folder / target)
        pairs.append(f"{run / name}|{link}")
    process = subprocess.Popen(
        [sys.executable, "-c", SWAP, *pairs], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    try:
        yield
    finally:
        turns, _ = process.communicate(b"stop")
    assert int(turns) > 100


def raced(tmp_path, monkeypatch, kind, names, times):
    """What of outside was touched by commands on a run whose names are exchanged meanwhile."""
    outside, touched = Outside(tmp_path / "outside"), []
    monkeypatch.chdir(tmp_path)
    for number in range(times):
        for name in names:
            folder = tmp_path / f"{name} {number}"
            folder.mkdir()
            run = genuine_run(folder)
            with swapping(run, outside, kind):
                status, text = told(name, run)
            assert status in (0, 1, 2, 3), (name, status)
            assert SECRET not in text, name
            touched += outside.touched()
    return touched


def test_a_name_that_becomes_a_link_while_it_is_read_leads_nowhere(tmp_path, monkeypatch):
    assert raced(tmp_path, monkeypatch, "folders", ["report", "export"], 2) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", SWAPPED)
def test_names_that_become_links_at_any_moment_lead_nowhere(kind, tmp_path, monkeypatch):
    assert raced(tmp_path, monkeypatch, kind, COMMANDS, 5) == []


@pytest.mark.slow
def test_looking_before_opening_would_not_have_been_enough(tmp_path, monkeypatch):
    """The races above are ones: where there is no openat, some of them are won."""
    monkeypatch.setattr(open_folder, "HAS_OPENAT", False)
    with contextlib.suppress(OSError):
        assert raced(tmp_path, monkeypatch, "folders", ["report", "resume"], 5) != []
