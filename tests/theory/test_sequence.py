"""Products of moduli."""

import math

import pytest
import torch

from qdiverge.errors import InvalidValueError
from qdiverge.theory.sequence import log_error_bound
from tests.theory.problems import F


def test_contractions_whose_product_stops_at_one_half():
    """Π_{k<T} (1 − 1/(k + 2)²) = ½ (T + 2)/(T + 1), by telescoping."""
    k = torch.arange(100_000, dtype=F)
    bound = log_error_bound(1 - 1 / (k + 2) ** 2)
    for T in (1, 10, 100_000):
        assert float(bound[T - 1].exp()) == pytest.approx(0.5 * (T + 2) / (T + 1), rel=1e-9)


def test_one_modulus_of_zero_ends_the_error():
    assert float(log_error_bound(torch.tensor([0.9, 0.0, 1.0]))[-1]) == -math.inf


def test_bad_moduli():
    with pytest.raises(InvalidValueError, match="none negative"):
        log_error_bound(torch.tensor([0.5, -0.1]))
    with pytest.raises(InvalidValueError, match="moduli must be finite"):
        log_error_bound(torch.tensor([0.5, math.nan]))
