"""Autocast around copies that train: as the run's, but that none of its casts outlives an update.

Inside ``torch.autocast`` PyTorch keeps each parameter's cast until the outermost block ends. A run
ends it after every loss; copies make all their updates within one, and would go on with the values
that they began with.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fresh_casts() -> Iterator[None]:
    """Cast parameters anew at every use, where anything is cast at all.

    >>> x, layer = torch.ones(1, 1), torch.nn.Linear(1, 1)
    >>> with torch.autocast("cpu", torch.bfloat16), fresh_casts():
    ...     before = layer(x)
    ...     _ = layer.weight.data.add_(1.0)
    ...     bool(before == layer(x))
    False
    """
    was_on = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(was_on)
