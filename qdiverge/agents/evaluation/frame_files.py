"""Frames as files: an animated GIF, or a strip of some of them as a PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.errors import InvalidValueError
from qdiverge.runs.whole import writing, written_whole
from qdiverge.thing_checks import check_installed

MOST_COLOURS = 256  # of a GIF's palette; the Atari has 128
STRIP_FRAMES = 8
GAP = 4  # pixels between the frames of a strip


def write_gif(path: Path, frames: Sequence[NDArray[np.uint8]], rate: float) -> Path:
    """Write an animated GIF that is played once at the right speed.

    Args:
        path: Where to.
        frames: uint8 [height, width, 3] each; up to 256 colours in all are kept exactly.
        rate: Frames a second.

    Returns:
        ``path``.

    Raises:
        InvalidValueError: there are no frames.
        MissingExtraError: pillow is not installed.
        RunFolderError: the file cannot be written.
    """
    image = _pillow()
    first, *others = _with_palette(image, _checked(frames))
    ends = [round(100 * (i + 1) / rate) for i in range(len(frames))]  # hundredths of a second
    durations = [10 * (b - a) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    options = {"save_all": True, "append_images": others, "duration": durations, "optimize": False}
    return _save(first, path, "GIF", options)


def write_strip(
    path: Path, frames: Sequence[NDArray[np.uint8]], num_frames: int = STRIP_FRAMES
) -> Path:
    """Write a PNG with frames side by side, evenly spaced from the first to the last.

    Args:
        path: Where to.
        frames: uint8 [height, width, 3] each.
        num_frames: How many to show; all, where there are fewer.

    Returns:
        ``path``.

    Raises:
        InvalidValueError: there are no frames.
        MissingExtraError: pillow is not installed.
        RunFolderError: the file cannot be written.
    """
    image = _pillow()
    _checked(frames)
    chosen = np.linspace(0, len(frames) - 1, min(num_frames, len(frames))).round().astype(int)
    height, width, _ = frames[0].shape
    strip = np.full((height, len(chosen) * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
    for place, index in enumerate(chosen):
        left = place * (width + GAP)
        strip[:, left : left + width] = frames[index]
    return _save(image.fromarray(strip), path, "PNG", {})


def check_pictures() -> None:
    """Say at once whether pictures can be written.

    Raises:
        MissingExtraError: pillow is not installed.
    """
    _pillow()


def _with_palette(image: Any, frames: Sequence[NDArray[np.uint8]]) -> list[Any]:
    """Return the frames with one palette for all, where they have few enough colours."""
    codes = [frame.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32) for frame in frames]
    colours = np.unique(np.concatenate([np.unique(code) for code in codes]))
    if len(colours) > MOST_COLOURS:
        return [image.fromarray(frame) for frame in frames]  # pillow picks a palette for each
    palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    shown = []
    for code in codes:
        indexed = image.fromarray(np.searchsorted(colours, code).astype(np.uint8))
        indexed.putpalette(palette.astype(np.uint8).tobytes())
        shown.append(indexed)
    return shown


def _checked(frames: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.uint8]]:
    if not frames:
        raise InvalidValueError("a picture needs at least one frame", got="none")
    return frames


def _save(picture: Any, path: Path, kind: str, options: dict[str, Any]) -> Path:
    with writing(path), written_whole(path) as aside:
        picture.save(aside, format=kind, **options)
    return path


def _pillow() -> Any:
    return check_installed("PIL.Image", "pictures need pillow", "figures")
