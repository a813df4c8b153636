"""A hostile folder runs nothing, leads nowhere, hangs nobody, and is answered in words."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import gymnasium
import pytest

import qdiverge
from qdiverge.agents.saved_agent import load_agent
from qdiverge.cli import main
from qdiverge.errors import UntrustedError
from tests.runs.hostile.attacks import ATTACKS, name_environment
from tests.runs.hostile.canaries import SECRET, Outside
from tests.runs.hostile.genuine import genuine_run, snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="attacks are a Unix's")
PATIENCE = 120  # seconds a command, on a machine that is busy
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
COMMANDS = {
    "report": [],
    "watch": ["--once"],
    "export": [],
    "diagnose": ["--transitions", "4"],
    "diagnose-snapshot": ["--snapshot", "NEWEST"],
    "inspect": ["--transitions", "4"],
    "inspect-snapshot": ["--snapshot", "NEWEST"],
    "evaluate": ["--episodes", "1"],
    "rehearse": ["--updates", "2", "--orders", "1", "--transitions", "8"],
    "resume": ["--total-steps", "310"],
}
FAST = (  # of each kind one
    "link events.jsonl",
    "link folder checkpoints",
    "link folder checkpoints/.320.tmp",
    "hard links to what is written in place",
    "fifo run.json",
    "manifest names upward",
    "npz whose header says more than there is",
    "environment is a module and a task",
    "control characters in every string",
    "markup in every string",
    "wrong types in run.json",
    "lines of wrong types",
    "a replay without an action",
    "lines that lack a part",
)


@contextlib.contextmanager
def patience():
    """Fail, rather than hang, where a command waits for what never comes."""

    def give_up(*_):
        raise AssertionError(f"no answer in {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and attributes that hold code."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.code = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.code += [name for name, _ in attrs if name.startswith("on")]
        self.code += [value for _, value in attrs if (value or "").startswith("javascript:")]


def told(name, run, *more):
    """Run a command on a folder; its exit status and all that it said."""
    said = StringIO()
    flags = [snapshot() if flag == "NEWEST" else flag for flag in COMMANDS[name]]
    arguments = [name.partition("-")[0], str(run), *flags, *more]
    with (
        patience(),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        status = main(arguments)
    ours = [str(each.message) for each in warned]
    assert all(text.startswith("qdiverge: ") for text in ours), ours
    return status, "\n".join([said.getvalue(), *ours])


def check(attack, tmp_path, monkeypatch, names=tuple(COMMANDS)):
    run, outside = genuine_run(tmp_path), Outside(tmp_path / "outside")
    for folder in (run, tmp_path):
        outside.evil_module(folder)
    monkeypatch.chdir(run)
    ATTACKS[attack](run, outside)
    assert [each for each in outside.touched() if each.startswith("/")] == []
    for name in names:
        path, modules = list(sys.path), set(sys.modules)
        status, text = told(name, run)
        assert status in (0, 1, 2, 3), (name, status)
        assert outside.touched() == [], name
        assert not CONTROL.search(text), (name, text)
        assert SECRET not in text, name
        assert sys.path == path
        assert not {m for m in set(sys.modules) - modules if m.startswith("evil")}
        for file in run.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 1 << 25:
                assert SECRET.encode() not in file.read_bytes() or file.stat().st_nlink > 1, file
        for page in run.glob("*.html"):
            if page.is_file() and not page.is_symlink() and page.stat().st_size:
                content = page.read_text(encoding="utf-8")
                assert not CONTROL.search(content), page
                assert "x-evil" not in Page(content).tags
                assert Page(content).tags.count("script") == (page.name == "report.html")
                assert Page(content).code == []


def test_there_are_as_many_attacks_as_are_claimed():
    assert len(ATTACKS) >= 60
    assert set(FAST) <= ATTACKS.keys()


@pytest.mark.parametrize("attack", FAST)
def test_a_hostile_folder_is_answered_in_words(attack, tmp_path, monkeypatch):
    check(attack, tmp_path, monkeypatch)


OWN = """
import gymnasium
gymnasium.register("Own-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=50)
"""


def test_a_module_is_imported_where_the_user_trusts_it_and_nowhere_else(tmp_path, monkeypatch):
    run = genuine_run(tmp_path)
    (tmp_path / "own_tasks_of_mine.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    name_environment(run, "own_tasks_of_mine:Own-v0")
    status, text = told("evaluate", run)
    assert status == 2
    assert "Where you trust the run and that module: --trust-environment" in text
    assert "own_tasks_of_mine" not in sys.modules
    with pytest.raises(UntrustedError, match="trust_environment=True"):
        load_agent(run)
    try:
        status, text = told("evaluate", run, "--trust-environment")
        assert (status, "task on own_tasks_of_mine:Own-v0" in text) == (0, True)
    finally:
        sys.modules.pop("own_tasks_of_mine", None)
        gymnasium.registry.pop("Own-v0", None)


def alone(name, run):
    """Run a command as a user does who stands in the run's folder; its exit status."""
    flags = [snapshot() if flag == "NEWEST" else flag for flag in COMMANDS[name]]
    command = [sys.executable, "-P", "-m", "qdiverge", name.partition("-")[0], ".", *flags]
    paths = {"PYTHONPATH": str(Path(qdiverge.__file__).parents[1])}
    return subprocess.run(command, cwd=run, env=os.environ | paths, capture_output=True).returncode


def with_modules_of_every_name(tmp_path):
    """A run, among modules of the names of all that qdiverge imports, that leave a trace."""
    run, outside = genuine_run(tmp_path), Outside(tmp_path / "outside")
    names = {name.partition(".")[0] for name in sys.modules} | {"sitecustomize", "usercustomize"}
    for name in names:
        outside.evil_module(run, name)
    return run, outside


def test_modules_beside_a_run_are_not_what_is_imported(tmp_path):
    run, outside = with_modules_of_every_name(tmp_path)
    assert alone("report", run) == 0
    assert outside.touched() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_modules_beside_a_run_are_not_what_any_command_imports(name, tmp_path):
    run, outside = with_modules_of_every_name(tmp_path)
    assert alone(name, run) in (0, 3)
    assert outside.touched() == []


@pytest.mark.slow
@pytest.mark.parametrize("attack", sorted(ATTACKS.keys() - set(FAST)))
def test_any_hostile_folder_is_answered_in_words(attack, tmp_path, monkeypatch):
    check(attack, tmp_path, monkeypatch)
