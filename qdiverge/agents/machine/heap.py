"""Keep the memory of one update for the next."""

import torch

MOST = 31 << 20  # bytes; of larger blocks glibc takes no notice


def keep_freed_memory() -> None:
    """Let glibc hold on to up to 62 MiB of freed memory, instead of up to a few megabytes.

    It gives freed memory back to the system beyond twice the largest block freed so far, and what
    was given back must be taken anew, page by page: 4 MB of every update, a millisecond or two, for
    the Nature network. A block of 31 MiB, freed at once, moves that bar. Elsewhere nothing happens.
    """
    torch.empty(MOST, dtype=torch.uint8)
