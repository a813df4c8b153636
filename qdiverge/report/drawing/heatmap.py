"""The kernel as a picture: cosine similarity of gradients, rows grouped by action."""

from collections.abc import Sequence

import numpy as np

from qdiverge.report.drawing.png import Colour, data_uri, png
from qdiverge.report.drawing.svg import Markup, drawing, element
from qdiverge.report.numbers import spread

SIDE = 250.0
_EDGE = 14.0  # room for the action marks
_LARGEST = 160  # pixels a side; larger kernels are averaged in blocks
_LEVELS = 50  # shades on either side of zero
_POSITIVE, _NEGATIVE, _MISSING = (30, 120, 196), (222, 104, 16), (128, 128, 128)


def similarity(kernel: np.ndarray) -> np.ndarray:
    """Return c_ij = K_ij / √(K_ii K_jj), the cosine between two gradients, in [−1, 1].

    A zero gradient has no direction: its row and column are NaN, as are non-finite entries.

    Args:
        kernel: K, [N, N].

    >>> similarity(np.array([[4.0, 3.0], [3.0, 9.0]])).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    K = kernel.astype(np.float64)
    norm = np.sqrt(np.where(np.diag(K) > 0, np.diag(K), np.nan))
    with np.errstate(invalid="ignore", over="ignore"):
        cosine = K / norm[:, None] / norm[None, :]
    return np.clip(np.where(np.isfinite(K), cosine, np.nan), -1.0, 1.0)


def order_by_action(cosine: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return row indices grouped by action, within a group by the leading eigenvector."""
    whole = np.nan_to_num(cosine)
    leading = np.linalg.eigh((whole + whole.T) / 2)[1][:, -1]
    return np.lexsort((leading, actions))


def heatmap(
    title: str,
    kernel: np.ndarray,
    actions: np.ndarray,
    order: np.ndarray | None = None,
    marked: Sequence[int] = (),
) -> Markup:
    """Draw the kernel: blue where gradients agree, orange where they oppose, paper at zero.

    Args:
        title: For a reader who does not see it.
        kernel: K, [N, N].
        actions: Of each row, [N].
        order: Rows from top to bottom; None: grouped by action.
        marked: Rows to be named at the right edge.
    """
    cosine = similarity(kernel)
    if order is None:
        order = order_by_action(cosine, actions)
    image = data_uri(png(_shades(_shrink(cosine[np.ix_(order, order)])), _palette()))
    return drawing(
        title,
        SIDE + _EDGE,
        SIDE + _EDGE,
        element("image", class_="pixels", x=_EDGE, y=_EDGE, width=SIDE, height=SIDE, href=image),
        element("rect", class_="frame", x=_EDGE, y=_EDGE, width=SIDE, height=SIDE),
        *_action_marks(actions[order]),
        *_row_marks(order, marked),
    )


def _action_marks(actions: np.ndarray) -> list[Markup]:
    """Draw a bar above and on the left for each group, named by its action where there is room."""
    starts = np.flatnonzero(np.append(True, actions[1:] != actions[:-1]))
    ends = np.append(starts[1:], len(actions))
    scale = SIDE / len(actions)
    marks = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        a, b = _EDGE + start * scale + 0.7, _EDGE + end * scale - 0.7
        marks.append(element("line", class_="group", x1=a, x2=b, y1=_EDGE - 4, y2=_EDGE - 4))
        marks.append(element("line", class_="group", x1=_EDGE - 4, x2=_EDGE - 4, y1=a, y2=b))
        if b - a > 16:
            name = f"{actions[start]:g}"
            marks.append(element("text", name, class_="small mid", x=(a + b) / 2, y=_EDGE - 7))
            marks.append(element("text", name, class_="small end", x=_EDGE - 7, y=(a + b) / 2 + 3))
    return marks


def _row_marks(order: np.ndarray, marked: Sequence[int]) -> list[Markup]:
    """Draw the number of each marked row at the right edge; they are moved apart to be read."""
    places = sorted((_EDGE + SIDE * (np.flatnonzero(order == i)[0] + 0.5) / len(order), i)
                    for i in marked)  # fmt: skip
    heights = spread([float(y) for y, _ in places], 7.5, _EDGE, _EDGE + SIDE)
    right, marks = _EDGE + SIDE, []
    for height, (y, row) in zip(heights, places, strict=True):
        line = f"M{right + 1:g} {y:.1f}l5 {height - y:.1f}h3"
        marks.append(element("path", class_="pointer", d=line))
        marks.append(element("text", str(row), class_="small warn", x=right + 11, y=height + 2.5))
    return marks


def _shrink(cosine: np.ndarray) -> np.ndarray:
    """Average square blocks, so that a side has at most ``_LARGEST`` pixels."""
    block = -(-len(cosine) // _LARGEST)
    if block == 1:
        return cosine
    starts = np.arange(0, len(cosine), block)
    sums = np.add.reduceat(np.add.reduceat(cosine, starts, axis=0), starts, axis=1)
    sizes = np.diff(np.append(starts, len(cosine)))
    return np.asarray(sums / np.outer(sizes, sizes))


def _shades(cosine: np.ndarray) -> np.ndarray:
    """Return palette indices: 0…2·levels from −1 to 1, one more for what is no number."""
    index = np.rint((np.nan_to_num(cosine) + 1.0) * _LEVELS)
    return np.where(np.isnan(cosine), 2 * _LEVELS + 1, index).astype(np.uint8)


def _palette() -> list[Colour]:
    """Return colours whose opacity carries the size, for light and dark paper alike."""
    shades = [k / _LEVELS for k in range(-_LEVELS, _LEVELS + 1)]
    colours = [((_POSITIVE if s > 0 else _NEGATIVE), round(255 * abs(s))) for s in shades]
    return [(*rgb, alpha) for rgb, alpha in [*colours, (_MISSING, 160)]]
