"""An observation as a picture: a frame, a small grid, or the entries of a vector."""

from dataclasses import dataclass

import numpy as np

from qdiverge.report.drawing.png import Colour, data_uri, png
from qdiverge.report.drawing.svg import Markup, drawing, element
from qdiverge.report.numbers import human

_GREYS: list[Colour] = [(k, k, k, 255) for k in range(256)]
_SMALLEST_FRAME = 20  # pixels a side; below it an observation is a grid of channels
_MOST_ENTRIES = 24  # of a vector that are drawn
_HUES = ((30, 120, 196), (222, 104, 16), (60, 150, 80), (190, 60, 120), (130, 90, 190),
         (160, 130, 20), (20, 150, 160), (200, 70, 60), (110, 110, 110), (80, 100, 50))  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scale:
    """The range of a batch of observations, so that its pictures can be compared.

    Attributes:
        low: The least value; of each entry where observations are vectors.
        high: The largest.
    """

    low: np.ndarray
    high: np.ndarray


def scale_of(observations: np.ndarray) -> Scale:
    """Return the range of finite values in observations, [N, …]."""
    finite = np.where(np.isfinite(observations), observations, 0)
    axes = 0 if observations.ndim <= 2 else None
    return Scale(np.asarray(finite.min(axes)), np.asarray(finite.max(axes)))


def newest_frame(observation: np.ndarray) -> np.ndarray | None:
    """Return the last frame of a stack, [H, W]; None where the observation is no picture.

    A stack is read as [frames, H, W], or as [H, W, frames] where the last axis is the short one.
    """
    if observation.ndim == 2:
        frame = observation
    elif observation.ndim == 3 and observation.shape[0] <= observation.shape[2]:
        frame = observation[-1]
    elif observation.ndim == 3:
        frame = observation[..., -1]
    else:
        return None
    return frame if min(frame.shape) >= _SMALLEST_FRAME else None


def picture(title: str, observation: np.ndarray, scale: Scale) -> Markup:
    """Draw an observation."""
    frame = newest_frame(observation)
    if frame is not None:
        return _image(title, png(_grey(frame, scale), _GREYS), frame.shape)
    if observation.ndim == 3:
        return _grid(title, observation)
    return _vector(title, observation.ravel(), scale)


def _grey(frame: np.ndarray, scale: Scale) -> np.ndarray:
    if frame.dtype == np.uint8:
        return frame
    low, high = float(scale.low.min()), float(scale.high.max())
    return np.rint(255 * np.clip((frame - low) / ((high - low) or 1.0), 0, 1)).astype(np.uint8)


def _grid(title: str, observation: np.ndarray) -> Markup:
    """Draw a grid: each cell in the colour of its channel that is set; the last one wins."""
    channels = observation
    if observation.shape[0] > observation.shape[2]:
        channels = np.moveaxis(observation, -1, 0)
    index = np.zeros(channels.shape[1:], dtype=np.uint8)
    for place, channel in enumerate(channels):
        index[channel > 0] = place % len(_HUES) + 1
    paper: Colour = (128, 128, 128, 40)
    image = png(index, [paper, *((*hue, 255) for hue in _HUES)])
    return _image(title, image, index.shape)


def _image(title: str, image: bytes, shape: tuple[int, ...]) -> Markup:
    height, width = shape
    return drawing(
        title,
        100.0,
        100.0 * height / width,
        element(
            "image", class_="pixels", width=100.0, height=100.0 * height / width,
            href=data_uri(image),
        ),
    )  # fmt: skip


def _vector(title: str, entries: np.ndarray, scale: Scale) -> Markup:
    """Draw a bar for each entry, from zero; bars of one entry share their scale in the batch."""
    shown = entries[:_MOST_ENTRIES]
    sizes = np.maximum(np.abs(scale.low.ravel()), np.abs(scale.high.ravel()))[: len(shown)]
    ratio = np.clip(np.nan_to_num(shown / np.where(sizes > 0, sizes, 1)), -1, 1)
    step = 15.0
    marks = [element("line", class_="axis", x1=72, x2=72, y1=0, y2=step * len(shown))]
    for k, (value, size) in enumerate(zip(shown.tolist(), ratio.tolist(), strict=True)):
        x, width = 72 + min(size, 0.0) * 26, abs(size) * 26
        kind = "bar" if size >= 0 else "bar minus"
        y = step * k
        marks.append(element("rect", class_=kind, x=x, y=y + 3, width=width, height=step - 6))
        marks.append(element("text", human(value, 2), class_="small end", x=44, y=y + 11))
    more = len(entries) - len(shown)
    if more:
        marks.append(element("text", f"{more} more", class_="small", x=4, y=step * len(shown) + 11))
    return drawing(title, 100.0, step * (len(shown) + bool(more)), *marks)
