"""One damaged place in a file that can mend itself is mended; two are left as they are."""

import numpy as np
import pytest

from qdiverge.errors import CheckpointError
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.parity import mend, tail_of

SIZES = [0, 1, 2, 63, 64, 65, 127, 128, 129, 640, 1_000, 4_097]


def whole_of(size):
    content = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    return np.concatenate([content, np.frombuffer(tail_of(content), np.uint8)])


@pytest.mark.parametrize("size", SIZES)
def test_any_byte_that_is_damaged_is_mended(size):
    whole = whole_of(size)
    assert len(whole) == size + -(-size // 64) + 256
    for at in range(len(whole)):
        damaged = whole.copy()
        damaged[at] ^= 1 << at % 8
        mend(damaged)
        assert (damaged == whole).all(), at


@pytest.mark.parametrize("value", [0, 255])
def test_a_piece_that_is_lost_whole_is_mended(value):
    whole = whole_of(100_000)  # 64 pieces of 1,563 bytes
    for start in range(0, 100_000, 1_563):
        damaged = whole.copy()
        damaged[start : min(start + 1_563, 100_000)] = value
        mend(damaged)
        assert (damaged == whole).all(), start


def test_of_two_damaged_pieces_none_is_changed():
    damaged = whole_of(1_000)
    damaged[[3, 900]] ^= 1
    before = damaged.copy()
    mend(damaged)
    assert (damaged == before).all()


@pytest.mark.parametrize("size", [0, 1, 100, 255, 256, 1_000])
def test_a_file_without_a_tail_is_no_error(size):
    mend(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))


@pytest.mark.parametrize("places", [[5], [5, 9_000]])
def test_a_checkpoint_takes_what_its_record_says_and_nothing_else(places, tmp_path):
    store = CheckpointStore(tmp_path)
    with store.writing(1) as writer, writer.open("replay.npy", is_shared=True) as file:
        file.write(bytes(10_000))
    assert store.mend(1) == []
    path = store.path(1) / "replay.npy"
    content = path.read_bytes()
    damaged = bytearray(content)
    for place in places:
        damaged[place] ^= 1
    path.write_bytes(damaged)
    if len(places) == 1:
        assert store.mend(1) == ["replay.npy"]
        assert path.read_bytes() == content
    else:
        with pytest.raises(CheckpointError, match="another SHA-256"):
            store.mend(1)
        assert path.read_bytes() == damaged
    assert len(list(store.path(1).iterdir())) == 2
