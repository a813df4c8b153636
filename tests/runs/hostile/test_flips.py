"""A flipped bit or byte in any file of a run is named, or nothing that is read differs for it."""

import random
import warnings

import numpy as np
import pytest

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.cli import main
from qdiverge.errors import RunFolderError
from qdiverge.monitor import load_snapshot
from qdiverge.runs import load_run, read_events
from qdiverge.runs.array_files import read_npz
from qdiverge.runs.boundary import Place
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.export import export_run
from tests.runs.hostile.genuine import genuine_run, newest

SEED, NUM_FLIPS = 20261130, 2_016
KINDS = {  # the files of a run that are read, by kind
    "run.json": "run.json",
    "lines": "events.jsonl",
    "kernel npz": "arrays/kernel-*.npz",
    "foresight npz": "arrays/foresight-*.npz",
    "state of a run": "checkpoints/*/state.json",
    "state of a monitor": "checkpoints/*/monitor.json",
    "place in the log": "checkpoints/*/log.json",
    "manifest": "checkpoints/*/manifest.json",
    "weights": "checkpoints/*/*.safetensors",
    "replay": "checkpoints/*/*.npy",
    "snapshot": "snapshots/*/*",
    "copy of run.json": "checkpoints/*/run.json",
}


def meaning(run, kind):
    """All that is read of the files of a kind, comparable; what was told of damage stands apart."""
    if kind in ("run.json", "lines"):
        read = load_run(run)
        series = {name: (s.steps.tolist(), s.values.tolist()) for name, s in read.series.items()}
        whole = (read.info, series, read.alarms, read.syncs, read.is_torn)
        return repr(whole), bool(read.damage)
    if "npz" in kind:
        arrays = load_run(run).arrays(kind.partition(" ")[0])
        return repr(
            [(step, {k: plainly(a) for k, a in each.items()}) for step, each in arrays]
        ), False
    folder = "snapshots" if kind == "snapshot" else "checkpoints"
    store = CheckpointStore(run / folder)
    return repr([(step, store.verify(step)) for step in store.steps()]), False


def plainly(array):
    return array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()


def flips(num, generator, paths):
    """Bits and bytes to flip, in turn: which file, which byte, and what its XOR is taken with."""
    for number in range(num):
        path = generator.choice(paths)
        mask = generator.randrange(1, 256) if number % 2 else 1 << generator.randrange(8)
        yield path, generator.randrange(path.stat().st_size), mask


def missed(run, kind, num_flips):
    """Return the flips of a kind that change what is read and that nobody tells of."""
    paths = sorted(run.glob(KINDS[kind]))
    assert paths
    before, is_told = meaning(run, kind)
    assert not is_told
    wrong = []
    for path, place, mask in flips(num_flips, random.Random(f"{SEED} {kind}"), paths):
        whole = path.read_bytes()
        path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                after, is_told = meaning(run, kind)
            is_told = is_told or any(path.name in str(each.message) for each in warned)
        except RunFolderError as error:  # and no other
            after, is_told = "", path.name in str(error)
        if not is_told and after != before:
            wrong.append((path.name, place, mask))
        path.write_bytes(whole)
    assert meaning(run, kind) == (before, False)
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_a_flip_is_named_or_changes_nothing(kind, tmp_path):
    assert missed(genuine_run(tmp_path), kind, NUM_FLIPS // len(KINDS)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_times_as_many_flips_are_named_or_change_nothing(kind, tmp_path):
    assert missed(genuine_run(tmp_path), kind, 10 * NUM_FLIPS // len(KINDS)) == []


@pytest.mark.parametrize("name", ["kernel-0000000200", "foresight-0000000044"])
def test_no_byte_of_a_directory_of_arrays_hides_one(name, tmp_path):
    place = Place.of(genuine_run(tmp_path)) / "arrays"
    path = place.path / f"{name}.npz"
    whole = path.read_bytes()
    names = read_npz(place, path.name).keys()
    start = whole.index(b"PK\1\2")
    num_found = 0
    for at in range(start, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        try:
            assert read_npz(place, path.name).keys() == names, at
        except RunFolderError:
            num_found += 1
    assert num_found > (len(whole) - start) // 4


def damaged(run, path):
    whole = (run / path).read_bytes()
    middle = len(whole) // 2
    (run / path).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])


def test_damage_never_ends_who_reads_a_run(tmp_path):
    run = genuine_run(tmp_path)
    num_lines = len(read_events(run))
    num_kernels = len(load_run(run).arrays("kernel"))
    for path in ("run.json", "events.jsonl", "arrays/kernel-0000000200.npz"):
        damaged(run, path)
    read = load_run(run)
    assert len(read.damage) == 2
    with pytest.warns(UserWarning, match=r"kernel-0000000200\.npz must be as it was written"):
        assert len(read.arrays("kernel")) == num_kernels - 1
    with pytest.warns(UserWarning, match=r"Line \d+ of events\.jsonl is not what was written"):
        assert len(read_events(run)) == num_lines - 1
    with pytest.warns(UserWarning, match="left out|was changed") as told:
        export_run(run)
    assert any("left out" in str(each.message) for each in told)
    damaged(run, "checkpoints/300/weights.safetensors")
    with pytest.warns(UserWarning, match=r"300/weights\.safetensors"):
        assert Checkpoints(run).newest() == 200
    saved = newest(run, "snapshots")
    assert load_snapshot(saved).update == int(saved.name)


def test_a_run_goes_on_by_the_copy_of_its_settings_where_they_are_damaged(tmp_path, capsys):
    run = genuine_run(tmp_path)
    settings = load_run(run).info["config"]
    (run / "run.json").write_bytes(b"\0" * 100)
    with pytest.warns(UserWarning, match=r"run\.json is damaged, and what it said is left out"):
        assert main(["resume", str(run), "--total-steps", "310"]) == 3  # it has diverged before
    read = load_run(run)
    assert read.damage == ()
    assert read.info["config"] == settings | {"total_steps": 310}
    assert read.info["step_unit"] == "agent steps"
