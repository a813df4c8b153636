"""The one reader of a run's arrays: npz, npy and safetensors, looked at before they are unpacked.

A zip of 1.5 MB can say, truly, that it unpacks to 1.6 GB, and a header of 100 bytes that an array
has 10¹⁸ entries. So the directory of the zip, the header of each array and the length of what
follows are held against each other and against what a run has, and only then is anything unpacked.
No object is ever unpickled.
"""

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from qdiverge.errors import CheckpointError, RunFolderError
from qdiverge.runs.boundary import KIB, MIB, Place
from qdiverge.runs.strange_files import too_large
from qdiverge.runs.strict_json import strict_loads

MOST_UNPACKED = 256 * MIB  # of one npz: kernels of 4,000 states
MOST_MEMBERS = 4_096
MOST_HEADER = 10 * MIB  # of safetensors: some 100,000 tensors
PLAIN_KINDS = "biufcSU"  # of dtypes: no objects, no records
_END = struct.Struct("<4s4H2LH")  # of a zip: mark, two disks, members here and in all, …, comment
_BROKEN = (
    ValueError, KeyError, EOFError, OSError, RuntimeError, NotImplementedError, OverflowError,
    SyntaxError, TypeError, MemoryError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_npz(place: Place, name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``npz`` by name.

    Raises:
        RunFolderError: it is damaged, unpacks to too much, or holds what is no array of numbers.
    """
    path = place.path / name
    try:
        with place.open(name, MOST_UNPACKED) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise ValueError(f"{len(members)} arrays")
            if len({member.filename for member in members}) < len(members):
                raise ValueError("the same name twice")
            if len(members) != _num_noted(file):
                raise ValueError(f"{len(members)} arrays for {_num_noted(file)}")
            if (size := sum(member.file_size for member in members)) > MOST_UNPACKED:
                raise too_large(path, size, MOST_UNPACKED)
            return {
                member.filename.removesuffix(".npy"): _array(_unpacked(archive, member))
                for member in members
            }
    except RunFolderError:
        raise
    except _BROKEN as error:
        raise _broken(path, error) from error


def map_rows(place: Place, name: str, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """Return the rows of an ``npy``, mapped and not read, once they are those expected.

    Raises:
        CheckpointError: it is damaged, or holds others.
    """
    path = place.path / name
    try:
        with place.open(name) as file:
            shape, its_dtype, _ = _header(file)
            offset, size = file.tell(), file.seek(0, io.SEEK_END)
            is_whole = size - offset >= count * dtype.itemsize  # what mends it may follow
            if (its_dtype, shape, is_whole) != (dtype, (count,), True):
                raise CheckpointError(
                    f"{path} must hold {count:,} rows of {dtype}",
                    got=f"{list(shape)} of {its_dtype} in {size:,} bytes",
                )
            if not count:
                return np.empty(0, dtype)
            return np.memmap(file, dtype, "r", offset, shape)
    except RunFolderError:
        raise
    except _BROKEN as error:
        raise _broken(path, error, CheckpointError) from error


def read_npy(content: bytes, path: Path) -> NDArray[Any]:
    """Return the array of an ``npy``, writable.

    Raises:
        CheckpointError: it is damaged, or holds what is no array of numbers.
    """
    try:
        return _array(content).copy()
    except _BROKEN as error:
        raise _broken(path, error, CheckpointError) from error


def read_tensors(content: bytes, path: Path) -> dict[str, Any]:
    """Return the tensors of a safetensors file by name.

    Raises:
        CheckpointError: it is damaged; the message names it.

    >>> import safetensors.torch, torch
    >>> read_tensors(safetensors.torch.save({"x": torch.ones(2)}), Path("x.safetensors"))
    {'x': tensor([1., 1.])}
    """
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        (length,) = struct.unpack_from("<Q", content)
        if length > min(MOST_HEADER, len(content) - 8):
            raise ValueError(f"a header of {length:,} bytes in {len(content):,}")
        header = strict_loads(content[8 : 8 + length])
        if not isinstance(header, dict):
            raise ValueError("a header that is no object")
        return safetensors.torch.load(content)
    except (*_BROKEN, RecursionError, SafetensorError) as error:
        raise _broken(path, error, CheckpointError) from error


def _num_noted(file: BinaryIO) -> int:
    """Return how many members the end of a zip says that there are.

    A wrong length in one entry of its directory hides others, and zipfile does not count.
    """
    file.seek(-_END.size, io.SEEK_END)
    mark, _, _, _, total, _, _, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\5\6" or comment:
        raise ValueError("a zip without its end")
    return int(total)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)  # whole, so that its CRC-32 is compared
    if len(content) != member.file_size:
        raise ValueError(f"{len(content)} bytes for {member.file_size}")
    return content


def _array(content: bytes) -> NDArray[Any]:
    file = io.BytesIO(content)
    shape, dtype, is_fortran = _header(file)
    offset = file.tell()
    if dtype.kind not in PLAIN_KINDS:
        raise ValueError(f"{dtype}, which is not numbers or text (allow_pickle=False)")
    if math.prod(shape) * dtype.itemsize != len(content) - offset:
        raise ValueError(f"{len(content) - offset} bytes for {list(shape)} of {dtype}")
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    rows: NDArray[Any] = np.frombuffer(content, dtype, offset=offset)
    return rows.reshape(shape[::-1]).T if is_fortran else rows.reshape(shape)


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Read the header of an ``npy``: shape, dtype, and whether its order is Fortran's."""
    version = npy.read_magic(file)
    readers: dict[Any, Any] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of npy")
    shape, is_fortran, dtype = readers[version](file, max_header_size=64 * KIB)
    if len(shape) > 32 or not all(0 <= side < 1 << 48 for side in shape):
        raise ValueError(f"the shape {str(shape)[:80]}")
    return shape, dtype, bool(is_fortran)


def _broken(
    path: Path, reason: BaseException, error: type[RunFolderError] = RunFolderError
) -> RunFolderError:
    text = " ".join(str(reason).split())[:200]
    return error(f"{path} must be as it was written", got=f"{type(reason).__name__}: {text}")
