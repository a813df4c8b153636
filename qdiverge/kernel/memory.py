"""Memory for features: touched once, so its page faults would cost as much as the products."""

from __future__ import annotations

import math
import mmap

import torch
from torch import Tensor

LARGE = 4 << 20  # bytes: below this the allocator's own memory is as good


def empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return memory [*shape] of ``like``'s dtype and device, in 2 MB pages where Linux has them.

    >>> empty((2, 3), torch.zeros(1, dtype=torch.float64)).shape
    torch.Size([2, 3])
    """
    num = math.prod(shape)
    is_large = num * like.element_size() >= LARGE
    if not (is_large and like.device.type == "cpu" and hasattr(mmap, "MADV_HUGEPAGE")):
        return like.new_empty(shape)
    try:
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        pages = mmap.mmap(-1, num * like.element_size(), flags=private)
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without them
        return like.new_empty(shape)
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)
