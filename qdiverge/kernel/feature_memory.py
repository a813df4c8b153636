"""Memory for features, kept from call to call.

Features are written once and read once or twice, so that the page faults of fresh memory would cost
as much as the products that fill it. Nothing is ever read from kept memory before it is written.
"""

import math
import mmap
import weakref

import torch
from torch import Tensor

SMALLEST_BYTES = 4 << 20  # below this the allocator does as well
KEPT_BYTES = 128 << 20  # at most, between calls

_spare: list[mmap.mmap] = []  # appended to and removed from only: both are atomic


def empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return uninitialised memory [*shape] of ``like``'s dtype and device.

    >>> empty((2, 3), torch.zeros(1, dtype=torch.float64)).shape
    torch.Size([2, 3])
    """
    num = math.prod(shape)
    num_bytes = num * like.element_size()
    is_kept = SMALLEST_BYTES <= num_bytes <= KEPT_BYTES and like.device.type == "cpu"
    if not (is_kept and hasattr(mmap, "MAP_PRIVATE")):
        return like.new_empty(shape)
    pages = _take(num_bytes)
    loan = memoryview(pages)  # lives as long as a tensor upon it
    weakref.finalize(loan, _give_back, pages).atexit = False
    return torch.frombuffer(loan, dtype=like.dtype, count=num).view(shape)


def _take(num_bytes: int) -> mmap.mmap:
    for pages in sorted(_spare, key=len):
        if num_bytes <= len(pages) <= 2 * num_bytes:
            try:
                _spare.remove(pages)
            except ValueError:  # another thread was quicker
                continue
            return pages
    return mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _give_back(pages: mmap.mmap) -> None:
    _spare.append(pages)
    for oldest in list(_spare):
        if sum(map(len, _spare)) > KEPT_BYTES and oldest in _spare:
            _spare.remove(oldest)
