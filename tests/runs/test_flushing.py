"""The power may fail at any instant: a file is on the disk before it gets its name."""

import os

import pytest

from qdiverge.runs import RunLog
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.info import write_info


@pytest.fixture
def calls(monkeypatch):
    """What was flushed, at which size, and what was renamed to what name, in order."""
    seen = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def flushed(descriptor):
        status = os.fstat(descriptor)
        seen.append(("flushed", status.st_ino, status.st_size))
        fsync(descriptor)

    def named(call):
        def renamed(old, new, **folders):
            seen.append(("named", os.path.basename(new)))
            call(old, new, **folders)

        return renamed

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "rename", named(rename))
    monkeypatch.setattr(os, "replace", named(replace))
    return seen


def refuse(*_, **__):
    raise OSError("no hard links here")


def flushes(calls):
    return {call[1] for call in calls if call[0] == "flushed"}


def sizes(calls):
    return {call[1:] for call in calls if call[0] == "flushed"}


@pytest.mark.parametrize("has_links", [True, False])
def test_a_checkpoint_is_on_the_disk_before_its_name_and_its_name_before_it_is_done(
    has_links, tmp_path, calls, monkeypatch
):
    store = CheckpointStore(tmp_path / "checkpoints")
    with store.writing(8) as writer:
        writer.write("replay.npy", b"segment")
    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    calls.clear()
    with store.writing(16) as writer:
        writer.link(store.path(8) / "replay.npy", store.records(8)["replay.npy"])
        writer.write("state.json", b"{}")
    at = calls.index(("named", "16"))
    files = [path.stat() for path in store.path(16).iterdir()]
    new = {(file.st_ino, file.st_size) for file in files if file.st_nlink == 1}
    assert len(new) == (2 if has_links else 3)
    assert new <= sizes(calls[:at])
    assert store.path(16).stat().st_ino in flushes(calls[:at])
    after = flushes(calls[at:])
    assert {store.folder.stat().st_ino, tmp_path.stat().st_ino} <= after


def test_a_file_that_was_mended_is_on_the_disk_before_it_takes_the_place_of_the_damaged(
    tmp_path, calls
):
    store = CheckpointStore(tmp_path)
    with store.writing(8) as writer, writer.open("replay.npy", is_shared=True) as file:
        file.write(b"segment")
    path = store.path(8) / "replay.npy"
    assert (path.stat().st_ino, path.stat().st_size) in sizes(calls)
    path.write_bytes(b"S" + path.read_bytes()[1:])
    calls.clear()
    assert store.mend(8) == ["replay.npy"]
    at = calls.index(("named", "replay.npy"))
    assert (path.stat().st_ino, path.stat().st_size) in sizes(calls[:at])


def test_what_a_run_is_is_on_the_disk_before_it_replaces_what_it_was(tmp_path, calls):
    write_info(tmp_path, {"seed": 1})
    calls.clear()
    write_info(tmp_path, {"seed": 2})
    at = calls.index(("named", "run.json"))
    status = (tmp_path / "run.json").stat()
    assert (status.st_ino, status.st_size) in sizes(calls[:at])


def test_a_log_is_on_the_disk_as_far_as_its_mark_says(tmp_path, calls):
    with RunLog(tmp_path / "run") as log:
        log.metrics(1, {"x": 1.0})
        mark = log.sync()
        status = (log.folder / "events.jsonl").stat()
        assert calls[-1] == ("flushed", status.st_ino, mark.position)
        assert mark.position == status.st_size > 0
