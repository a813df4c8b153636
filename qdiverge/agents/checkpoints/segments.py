"""The replay in pieces: a checkpoint writes the slots used since the last, and shares the others.

A segment is one ``.npy`` file whose rows are slots, ring after ring, each in the order of time; it
can mend itself, since several checkpoints hang on it (``runs/checkpoints.py`` says at what cost):

    kept         what the slot keeps of its observation
    action       255 or NaN: none, an episode's last observation
    reward, terminated, depth

Only a ring's newest slot changes once it is written, when its action comes; so a segment begins
with the slot that was the newest in the last checkpoint. A segment of which every slot has been
overwritten is no longer carried along. What an environment's priorities are changes all the time
and all over: they are written whole, 8 bytes a slot, as is the bookkeeping.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from typing_extensions import Self

from qdiverge.agents.checkpoints.replay_check import check_ring, without_ends
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.errors import CheckpointError
from qdiverge.runs.array_files import map_rows, read_npy
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.checkpoints import CheckpointWriter
from qdiverge.runs.manifest import FileRecord, HashedFile

PRIORITIES = "priorities.npy"
MOST_PRIORITIES = 4096 * MIB  # 8 bytes for each of 500 million slots
ROWS = 256  # slots written at a time: of frames 2 MB, what a cache holds
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Counts = tuple[Count, ...]


@dataclass(frozen=True)
class Segment:
    """A run of slots of each ring; slot n of a ring is the n-th that was ever used.

    Args:
        name: Of its file.
        first: The number of the first slot, [E].
        count: How many, [E].
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^replay-\d{6,18}\.npy$")]
    first: Counts
    count: Counts


class Saved(msgspec.Struct):
    """What :func:`dump_replay` returns: segments, the oldest first, and the bookkeeping, [E]."""

    segments: tuple[Segment, ...]
    head: Counts
    filled: Counts
    begun: Counts
    largest_priority: Annotated[float, msgspec.Meta(gt=0, lt=1e300)] = 1.0


@dataclass(frozen=True)
class SavedReplay:
    """Where the replay of the last checkpoint lies.

    Args:
        folder: The checkpoint.
        segments: The oldest first.
        files: Their records.
        begun: Slots that had been used, [E].
    """

    folder: Path
    segments: tuple[Segment, ...]
    files: dict[str, FileRecord]
    begun: tuple[int, ...]

    @classmethod
    def from_json(cls, folder: Path, saved: dict[str, Any], files: dict[str, FileRecord]) -> Self:
        """Read what :func:`dump_replay` returned.

        Raises:
            ValueError: it is something else.
        """
        read = msgspec.convert(saved, Saved)
        return cls(folder, read.segments, files, read.begun)


def dump_replay(
    writer: CheckpointWriter, replay: ReplayRing, last: SavedReplay | None
) -> dict[str, Any]:
    """Write what is new in ``replay``, share what is not.

    Args:
        writer: Of the new checkpoint.
        replay: Read only.
        last: The checkpoint before; None, or one that is gone: everything is new.

    Returns:
        What :func:`load_replay` needs to know, ready for JSON.
    """
    if last is not None and not last.folder.exists():
        last = None
    oldest = np.maximum(replay.begun - replay.slots, 0)  # that is still there, [E]
    shared = [] if last is None else [s for s in last.segments if _reaches(s, oldest)]
    for segment in shared:
        assert last is not None
        writer.link(last.folder / segment.name, last.files[segment.name])
    since = 0 if last is None else np.maximum(np.array(last.begun) - 1, 0)
    first = np.maximum(oldest, since)
    number = 1 + max((int(s.name[7:-4]) for s in shared), default=-1)
    new = Segment(f"replay-{number:06d}.npy", _integers(first), _integers(replay.begun - first))
    with writer.open(new.name, is_shared=True) as file:
        _write_rows(file, replay, new)
    saved: dict[str, Any] = {
        "segments": [asdict(segment) for segment in (*shared, new)],
        "head": _integers(replay.head),
        "filled": _integers(replay.filled),
        "begun": _integers(replay.begun),
    }
    if replay.priorities is not None:
        with writer.open(PRIORITIES) as file:
            npy.write_array(file, replay.priorities.leaves(), allow_pickle=False)
        saved["largest_priority"] = replay.priorities.largest
    return saved


def load_replay(
    replay: ReplayRing,
    folder: Path,
    saved: dict[str, Any],
    files: dict[str, FileRecord],
    num_actions: int | None = None,
) -> SavedReplay:
    """Fill a new ``replay`` with what a checkpoint holds, which has been verified.

    Args:
        replay: Empty.
        folder: The checkpoint.
        saved: What :func:`dump_replay` returned.
        files: Their records.
        num_actions: That there are; None: they are continuous.

    Raises:
        CheckpointError: it is that of another kind of replay.
        ValueError: it is that of no replay.
    """
    saved_replay = SavedReplay.from_json(folder, saved, files)
    place = Place(folder.parent.parent, (folder.parent.name, folder.name))
    for segment in saved_replay.segments:
        if not len(segment.first) == len(segment.count) == replay.num_envs:
            raise CheckpointError(
                f"{folder / segment.name} must hold rows for {replay.num_envs} rings",
                got=len(segment.first),
            )
        rows = map_rows(place, segment.name, _row_dtype(replay), sum(segment.count))
        _read_rows(rows, replay, segment)
    replay.head[:], replay.filled[:] = saved["head"], saved["filled"]
    replay.begun[:] = saved["begun"]
    check_ring(replay, num_actions)
    if replay.priorities is not None:
        leaves = read_npy(place.read(PRIORITIES, MOST_PRIORITIES), folder / PRIORITIES)
        replay.priorities.tree.set(np.arange(len(leaves)), without_ends(replay, leaves))
        replay.priorities.largest = saved["largest_priority"]
    return saved_replay


def _reaches(segment: Segment, oldest: NDArray[np.int64]) -> bool:
    """Return whether a slot of ``segment`` has not been overwritten."""
    return bool((np.add(segment.first, segment.count) > oldest).any())


def _row_dtype(replay: ReplayRing) -> np.dtype[Any]:
    columns = _columns(replay).items()
    return np.dtype([(name, column.dtype, column.shape[2:]) for name, column in columns])


def _columns(replay: ReplayRing) -> dict[str, NDArray[Any]]:
    return {
        "kept": replay.kept,
        "action": replay.actions,
        "reward": replay.rewards,
        "terminated": replay.terminated,
        "depth": replay.depth,
    }


def _write_rows(file: HashedFile, replay: ReplayRing, segment: Segment) -> None:
    dtype = _row_dtype(replay)
    header = {
        "descr": npy.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (sum(segment.count),),
    }
    npy.write_array_header_1_0(file, header)
    columns = _columns(replay)
    for ring, slots, _ in _pieces(replay, segment):
        rows = np.empty(len(slots), dtype=dtype)
        for name, column in columns.items():
            rows[name] = column[ring, slots]
        file.write(rows.view(np.uint8).data)


def _read_rows(rows: NDArray[Any], replay: ReplayRing, segment: Segment) -> None:
    columns = _columns(replay)
    for ring, slots, start in _pieces(replay, segment):
        piece = rows[start : start + len(slots)]
        for name, column in columns.items():
            column[ring, slots] = piece[name]


def _pieces(replay: ReplayRing, segment: Segment) -> Iterator[tuple[int, NDArray[np.int64], int]]:
    """Yield a ring, slots of it, and their first row in the file, a few hundred at a time."""
    row = 0
    for ring, (first, count) in enumerate(zip(segment.first, segment.count, strict=True)):
        for start in range(0, count, ROWS):
            numbers = first + np.arange(start, min(start + ROWS, count))
            yield ring, numbers % replay.slots, row + start
        row += count


def _integers(values: NDArray[np.int64] | Sequence[int]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
