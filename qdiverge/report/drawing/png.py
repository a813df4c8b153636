"""A palette PNG with transparency, written by hand: what a heatmap needs and no more."""

import base64
import struct
import zlib

import numpy as np

Colour = tuple[int, int, int, int]  # red, green, blue, opacity, each 0…255


def png(pixels: np.ndarray, palette: list[Colour]) -> bytes:
    """Return an indexed-colour PNG (ISO/IEC 15948: IHDR, PLTE, tRNS, IDAT, IEND).

    Args:
        pixels: Palette indices, uint8 [H, W].
        palette: At most 256 colours.
    """
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.astype(np.uint8)], axis=1)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(bytes(colour[:3]) for colour in palette)),
            _chunk(b"tRNS", bytes(colour[3] for colour in palette)),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),  # each row after its filter byte 0
            _chunk(b"IEND", b""),
        ]
    )


def data_uri(image: bytes) -> str:
    """Return the image as a ``data:`` address, so that the page needs no second file."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
