"""A file that can mend itself: 64 pieces, their sum modulo 2, and a checksum of each.

Of n bytes x, padded with zeros to 64 pieces of p = ⌈n/64⌉ bytes, the tail is

    p bytes      x₁ ⊕ x₂ ⊕ … ⊕ x₆₄
    256 bytes    CRC-32 of each piece, little-endian

Whatever happened to one piece can be mended: its CRC-32 names it, and it is the sum of all the
others. What happened to the tail can, too, since it follows from the pieces; damage in two pieces
cannot. So a flipped byte is mended wherever it lies, for 1.6 % more bytes. Whether the file is what
it was only the SHA-256 of the whole can say, which the caller has.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

PIECES = 64


def tail_of(content: NDArray[np.uint8]) -> bytes:
    """Return what is to follow ``content`` [n], so that it can be mended.

    >>> len(tail_of(np.zeros(640, np.uint8)))
    266
    """
    pieces = _pieces(content)
    total = np.zeros(_width(len(content)), np.uint8)
    for piece in pieces:
        total[: len(piece)] ^= piece
    return total.tobytes() + _checksums(pieces).tobytes()


def mend(whole: NDArray[np.uint8]) -> None:
    """Mend in place what ``content + tail_of(content)`` was; where it cannot be, nothing changes.

    >>> content = np.arange(200, dtype=np.uint8)
    >>> whole = np.concatenate([content, np.frombuffer(tail_of(content), np.uint8)])
    >>> damaged = whole.copy()
    >>> damaged[70] = 0
    >>> mend(damaged)
    >>> bool((damaged == whole).all())
    True
    """
    size = (len(whole) - 4 * PIECES) * PIECES // (PIECES + 1)  # n of n + ⌈n/64⌉ + 256
    if size < 0:
        return
    content, width = whole[:size], _width(size)
    pieces = _pieces(content)
    noted = np.frombuffer(whole[size + width :].tobytes(), "<u4")
    wrong = np.flatnonzero(_checksums(pieces) != noted)
    if len(wrong) > 1:
        return
    if len(wrong) == 1:
        (at,) = wrong
        total = whole[size : size + width].copy()
        for other, piece in enumerate(pieces):
            if other != at:
                total[: len(piece)] ^= piece
        restored = total[: len(pieces[at])]
        if zlib.crc32(restored.data) == noted[at]:  # else it is the note that is wrong
            pieces[at][:] = restored
    whole[size:] = np.frombuffer(tail_of(content), np.uint8)


def _width(size: int) -> int:
    return -(-size // PIECES)


def _pieces(content: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    width = _width(len(content))
    return [content[width * each : width * (each + 1)] for each in range(PIECES)]


def _checksums(pieces: list[NDArray[np.uint8]]) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(piece.data) for piece in pieces], "<u4")
