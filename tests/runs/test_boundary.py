"""Files of a run are opened through the boundary alone, and it opens what a run has and no more."""

import ast
import errno
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import qdiverge
from qdiverge.errors import StrangeFileError
from qdiverge.plain_text import plain
from qdiverge.runs.boundary import Place
from qdiverge.runs.info import SPARE, write_last
from qdiverge.runs.provenance import script_commit
from qdiverge.runs.strange_files import LONGEST_NAME, SMALL, check_name

ROOT = Path(qdiverge.__file__).parent
ROOMS = sorted(file.parent.name for file in ROOT.glob("*/__init__.py"))
FORBIDDEN = {  # what opens, lists or changes files by a path, whoever it is a method of
    *("open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "glob"),
    *("rglob", "unlink", "rmtree", "touch", "symlink_to", "hardlink_to", "memmap", "mkdir"),
    *("savez", "savez_compressed", "load_file", "save_file", "safe_open", "loads", "tofile"),
}
OF_MODULES = {  # and what does so where it is a function of these
    *("load", "save", "scandir", "listdir", "walk", "truncate", "copyfile", "copytree", "link"),
    *("rename", "replace", "remove", "move", "fromfile", "makedirs", "symlink", "stat"),
}
MODULES = {"os", "shutil", "np", "torch", "safetensors.torch", "json", "pickle", "io"}
# file → what of it is no file of a run, or is the boundary itself
ELSEWHERE = {
    "runs/boundary.py": FORBIDDEN | OF_MODULES,  # itself
    "runs/open_folder.py": {"open", "stat"},  # of the boundary
    "runs/whole.py": {"mkdir"},  # of the folders above an output that the user named
    "runs/log.py": {
        "mkdir",
        "savez_compressed",
    },  # of a new run; into an open file
    "runs/table.py": {"open", "read_text", "loads"},  # a study's, which is no run
    "runs/process.py": {"read_text"},  # /proc
    "runs/provenance.py": {"read_text"},  # /proc
    "runs/array_files.py": {"open", "memmap", "load"},  # members of an open file
    "runs/checkpoints.py": {"memmap", "open"},  # of an open file; its writer's own
    "runs/strict_json.py": {"loads"},
    "runs/info.py": {"loads"},  # of what was just written
    "report/document.py": {"read_text"},  # the package's own style and script
    "monitor/foresight/measured_rates.py": {"read_text", "loads"},  # the package's own table
    "agents/evaluation/references.py": {"read_text", "loads"},  # the package's own table
    "agents/machine/free_memory.py": {"read_text"},  # /proc
    "cli/main.py": {"open"},  # the null device
    "agents/checkpoints/tensors.py": {"save"},  # to bytes
    "monitor/saved_state.py": {"save"},  # to bytes
    "monitor/snapshots/recorder.py": {"save"},  # to bytes
}


def calls(path):
    """The calls in a file of what is forbidden, but for methods of a place of the same names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        owner, _, name = ast.unparse(node.func).rpartition(".")
        is_method = not owner.endswith(("place", "source", "writer")) and "Place." not in owner
        if (name in FORBIDDEN and is_method) or (name in OF_MODULES and owner in MODULES):
            yield name, node.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_of_a_run_is_opened_elsewhere(room):
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        allowed = ELSEWHERE.get(name, set())
        found += [f"{name}:{line} {call}" for call, line in calls(path) if call not in allowed]
    assert found == []


PRINTING = ("print", "sys.stdout.write", "sys.stderr.write")


def test_a_command_prints_by_its_one_door():
    for path in sorted((ROOT / "cli").rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        printing = [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) in PRINTING]
        assert bool(printing) == (path.name == "say.py"), path


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc/passwd", "..\\x", "C:x", "a\0", "x" * 256, 5, None]
)
def test_a_name_that_leads_anywhere_is_refused(name):
    with pytest.raises(StrangeFileError, match="plain name"):
        check_name(name)
    assert len(check_name("x" * LONGEST_NAME)) == LONGEST_NAME


@pytest.fixture
def place(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("theirs")
    (tmp_path / "run").mkdir()
    return Place.of(tmp_path / "run")


def test_links_are_followed_neither_for_files_nor_for_folders(place, tmp_path):
    (place.path / "file").symlink_to(tmp_path / "outside/file")
    (place.path / "folder").symlink_to(tmp_path / "outside")
    (place.path / "new").symlink_to(tmp_path / "outside/new")
    for name in ("file", "new"):
        for use in (place.open, place.open_own):
            with pytest.raises(StrangeFileError, match="got a link"):
                use(name)
        with pytest.raises(FileExistsError):
            place.create(name)
    inside = place / "folder"
    reading, removing = partial(inside.open, "file"), partial(inside.remove, "file")
    for use in (inside.names, inside.made, reading, removing):
        with pytest.raises(StrangeFileError, match="got a link, or no folder"):
            use()
    with place.writing("file") as file:
        file.write(b"ours")
    place.remove_folder("folder")
    assert (place.path / "file").read_text() == "ours"
    assert place.names() == ["file", "new"]
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]
    assert (tmp_path / "outside/file").read_text() == "theirs"


def test_a_link_on_the_way_to_the_folder_that_the_user_named_is_followed(place, tmp_path):
    with place.writing("x") as file:
        file.write(b"1")
    (tmp_path / "short").symlink_to(place.path)
    assert Place.of(tmp_path / "short").read("x", most=1) == b"1"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a Unix's")
def test_what_is_no_regular_file_is_refused_at_once(place, monkeypatch):
    os.mkfifo(place.path / "a FIFO")
    (place.path / "a folder").mkdir()
    monkeypatch.chdir(place.path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("a socket")
    for kind in ("a FIFO", "a folder", "a socket"):
        assert place.kind(kind) == kind
        for use in (place.open, place.open_own):
            with pytest.raises(StrangeFileError, match=f"regular file.*got {kind}"):
                use(kind)


def test_a_file_that_another_name_leads_to_is_copied_before_it_is_written(place, tmp_path):
    os.link(tmp_path / "outside/file", place.path / "log")
    with place.open_own("log") as file:
        file.write(b" and ours")
    assert (place.path / "log").read_text() == "theirs and ours"
    assert (tmp_path / "outside/file").read_text() == "theirs"


def test_a_file_that_is_too_large_is_named_with_its_limit(place):
    with place.create("x") as file:
        os.truncate(file.fileno(), SMALL)
    with pytest.raises(StrangeFileError, match=r"at most 10 bytes; got 16,777,216"):
        place.read("x", most=10)


def test_a_large_file_that_is_not_on_the_disk_is_refused_and_one_with_holes_is_not(place):
    with place.create("sparse") as file:
        os.truncate(file.fileno(), 1 << 40)
        file.write(b"beginning")
    with place.create("with holes") as file:
        os.truncate(file.fileno(), 4 * SMALL)
        for number in range(8):
            file.seek(number * SMALL // 2)
            file.write(bytes(1 << 16))
    if hasattr(os, "SEEK_DATA"):
        for use in (place.open, place.open_own):
            with pytest.raises(StrangeFileError, match=r"of its 1,099,511,627,776 bytes, a sparse"):
                use("sparse")
    with place.open("with holes") as file:
        assert file.tell() == 0
        assert len(file.read()) == 4 * SMALL


def test_the_last_word_on_a_full_disk_is_not_written_to_a_file_that_has_another_name(
    place, tmp_path, monkeypatch
):
    (place.path / "run.json").write_text("{}")
    os.link(tmp_path / "outside/file", place.path / SPARE)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("qdiverge.runs.info.write_info", full)
    with pytest.raises(OSError, match="No space left"):
        write_last(place.path, {"status": "finished"})
    assert (tmp_path / "outside/file").read_text() == "theirs"


def test_the_commit_of_a_checkout_runs_no_program_that_its_settings_name(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/executed'\n")
    program.chmod(0o700)
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "file").write_text("two")
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.chdir(tmp_path)
    assert script_commit().endswith("-dirty")
    subprocess.run([*git, "config", "core.fsmonitor", str(program)], check=True)
    assert script_commit().endswith("-dirty")
    subprocess.run([*git, "config", "filter.x.clean", str(program)], check=True)
    (tmp_path / ".gitattributes").write_text("* filter=x\n")
    assert script_commit().endswith(", changes not looked for")
    assert not (tmp_path / "executed").exists()


def test_without_openat_links_are_refused_too(place, tmp_path, monkeypatch):
    monkeypatch.setattr("qdiverge.runs.open_folder.HAS_OPENAT", False)
    (place.path / "file").symlink_to(tmp_path / "outside/file")
    (place.path / "folder").symlink_to(tmp_path / "outside")
    with pytest.raises(StrangeFileError, match="got a link"):
        place.open("file")
    with pytest.raises(StrangeFileError, match="no folder"):
        (place / "folder").open("file")
    inner = (place / "arrays").made()
    with inner.writing("x") as file:
        file.write(b"1")
    inner.rename("x", "y")
    assert (inner.names(), inner.read("y", most=1)) == (["y"], b"1")
    inner.flush()
    place.remove_folder("arrays")
    place.remove_folder("folder")
    assert place.names() == ["file"]
    assert (tmp_path / "outside/file").exists()


def test_a_folder_is_removed_with_all_in_it_and_nothing_that_its_links_lead_to(place, tmp_path):
    inner = (place / "arrays" / "deep").made()
    for folder in (inner.path, inner.path.parent):
        (folder / "file").write_text("ours")
        (folder / "link").symlink_to(tmp_path / "outside/file")
        (folder / "leads out").symlink_to(tmp_path / "outside", target_is_directory=True)
        (folder / "leads nowhere").symlink_to(tmp_path / "nothing")
    place.remove_folder("arrays")
    assert place.names() == []
    assert (tmp_path / "outside/file").read_text() == "theirs"


def test_control_characters_become_pictures_of_the_same_number():
    text = "".join(map(chr, range(0x3000)))
    shown = plain(text)
    assert len(shown) == len(text)
    assert shown.isprintable() or not set(shown) & set(map(chr, [*range(32), *range(127, 160)]))
    assert plain("\ud800").encode()
