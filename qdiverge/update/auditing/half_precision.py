"""Read off its entries whether a gradient was made in half precision, and cast to a longer type.

Autocast's gradients have 8 significant bits (bfloat16) or 11 (float16), a sum of a few of them some
more, and clipping multiplies all by one number. Of float32's own, one in 2⁸ ends in eight zeros.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qdiverge.update.auditing.td_columns import Array

BFLOAT16, FLOAT16 = 2.0**-8, 2.0**-10  # units of rounding
SHARE = 0.3  # of the entries: of longer ones few are as short by chance
# bits, the share of the entries that have no more, and whose they are; the last: sums of several
BITS = ((8, SHARE, BFLOAT16), (11, 0.9, FLOAT16), (16, SHARE, BFLOAT16))
SAMPLE, FEWEST = 256, 32  # entries looked at, and how many must differ
BASES = 3  # entries that are taken for a multiple of the common factor
NEAR = 1e-3  # of one unit in the last of 11 bits


def half_unit(gradient: Tensor) -> float | None:
    """Return the unit of rounding of the half precision in a gradient; None where it has none.

    >>> g = torch.linspace(0.1, 1.0, 100).sqrt()
    >>> half_unit(g), half_unit(g.bfloat16().float()) == BFLOAT16
    (None, True)
    >>> half_unit(0.3 * g.half().float()) == FLOAT16
    True
    """
    if gradient.dtype != torch.float32:
        return None
    given = gradient[gradient != 0]
    sample = given[:: max(1, len(given) // SAMPLE)][:SAMPLE]
    g = np.asarray(sample.detach().cpu().double())
    different = np.unique(abs(g))
    if len(different) < FEWEST:
        return None
    bits = significant_bits(g)
    for most, share, unit in BITS:
        if (bits <= most).mean() > share:
            return unit
    few = different[:: max(1, len(different) // FEWEST)][:FEWEST]
    for base in different[:: len(different) // BASES][:BASES]:
        for bits_of, unit in ((8, BFLOAT16), (11, FLOAT16)):
            factors = base / np.arange(2.0 ** (bits_of - 1), 2.0**bits_of)
            mantissas = np.frexp(few[:, None] / factors)[0] * 2.0**bits_of
            off = abs(mantissas - mantissas.round()) * 2.0 ** (11 - bits_of)
            if (off < NEAR).mean(0).max() > SHARE:
                return unit
    return None


def significant_bits(g: Array) -> Array:
    """Return how many bits from the first to the last that is set, of float32 numbers.

    >>> significant_bits(np.array([1.0, 0.75, -5.0]))
    array([1., 2., 3.])
    """
    whole = np.rint(np.frexp(abs(g))[0] * 2.0**24).astype(np.int64)
    return np.asarray(24 - np.log2(whole & -whole))
