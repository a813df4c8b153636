"""A folder that changes while it is read: names that become links between a look and an opening."""

import contextlib
import ctypes
import os
import shutil
import sys

import pytest

from qdiverge.runs import open_folder
from tests.runs.hostile.canaries import SECRET, Outside
from tests.runs.hostile.genuine import genuine_run
from tests.runs.hostile.test_hostile import COMMANDS, told

EXCHANGE, HERE = 2, -100  # RENAME_EXCHANGE, AT_FDCWD
SWAPPED = {  # what is exchanged with a link to what lies outside
    "folders": {"arrays": "inner", "checkpoints": "inner", "snapshots": "inner"},
    "files": {"run.json": "secret.json", "events.jsonl": "inner/keep.txt", ".lock": "new"},
    "files of folders": {
        "arrays/kernel-0000000300.npz": "inner/secret.npz",
        "checkpoints/300/manifest.json": "secret.json",
        "checkpoints/300/state.json": "secret.json",
        "checkpoints/200": "inner",
    },
}


def renameat2():
    """Linux's call that exchanges two names in one step; None where there is none."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


pytestmark = pytest.mark.skipif(renameat2() is None, reason="names are exchanged by Linux alone")


class Swapper:
    """Exchanges names of a run with links just before one of the calls that open or change files.

    Python tells of every such call before it is made (``sys.addaudithook``).
    """

    def __init__(self):
        self.at, self.num_calls, self.is_on, self.pairs = -1, 0, False, []
        self.exchange = renameat2()
        sys.addaudithook(self.hear)  # for good: it cannot be taken back, and is silent when off

    def hear(self, event, _):
        if self.is_on and (event == "open" or event.startswith("os.")):
            number, self.num_calls = self.num_calls, self.num_calls + 1
            if number == self.at or (number == self.at + 1 and self.at % 2):  # or for one call only
                for one, other in self.pairs:
                    self.exchange(HERE, one, HERE, other, EXCHANGE)

    @contextlib.contextmanager
    def swapping(self, run, outside, kind, at):
        """Exchange names just before call number ``at`` in this context."""
        aside, self.pairs = run.parent / "aside", []
        aside.mkdir()
        for number, (name, target) in enumerate(SWAPPED[kind].items()):
            link = aside / str(number)
            link.symlink_to(outside.folder / target)
            self.pairs.append((os.fsencode(run / name), os.fsencode(link)))
        self.at, self.num_calls, self.is_on = at, 0, True
        try:
            yield
        finally:
            self.is_on = False


SWAPPER = None if renameat2() is None else Swapper()


def raced(tmp_path, monkeypatch, kind, name, most):
    """What of outside a command touched, its names exchanged before each of its calls, or some."""
    outside, touched, at, step = Outside(tmp_path / "outside"), [], -2, 1  # first before none
    monkeypatch.chdir(tmp_path)
    while at <= SWAPPER.num_calls:
        folder = tmp_path / str(at)
        folder.mkdir()
        run = genuine_run(folder)
        with SWAPPER.swapping(run, outside, kind, at):
            status, text = told(name, run)
        assert status in (0, 1, 2, 3), (name, at, status)
        assert SECRET not in text, (name, at)
        touched += [f"{name} {at}: {each}" for each in outside.touched()]
        if at < 0:
            at, num_calls = 0, SWAPPER.num_calls
            assert num_calls >= 5
            step = max(1, num_calls // most) | 1  # odd: both for one call and for good
        else:
            at += step
        SWAPPER.num_calls = num_calls
        shutil.rmtree(folder)
    return touched


def test_a_name_that_becomes_a_link_while_it_is_read_leads_nowhere(tmp_path, monkeypatch):
    assert raced(tmp_path, monkeypatch, "folders", "report", 8) == []


@pytest.mark.slow
def test_looking_before_opening_would_not_have_been_enough(tmp_path, monkeypatch):
    """The races here are ones: where there is no openat, some of them are won."""
    monkeypatch.setattr(open_folder, "HAS_OPENAT", False)
    assert raced(tmp_path, monkeypatch, "folders", "report", 1_000) != []


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", SWAPPED)
def test_names_that_become_links_at_any_moment_lead_nowhere(kind, name, tmp_path, monkeypatch):
    assert raced(tmp_path, monkeypatch, kind, name, 20) == []
