"""The shared checks: what passes is returned, what does not is named."""

import math

import pytest
import torch

from qdiverge.checks import check_discount, check_distribution, check_finite, check_positive
from qdiverge.errors import InvalidTypeError, InvalidValueError, QDivergeError


@pytest.mark.parametrize("discount", [-0.1, 1.1, math.nan])
def test_a_discount_outside_its_range(discount):
    with pytest.raises(InvalidValueError, match="discount"):
        check_discount(discount)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_what_is_not_positive(value):
    with pytest.raises(InvalidValueError, match="alpha"):
        check_positive("alpha", value)


def test_the_first_entry_that_is_not_finite_is_named():
    tensor = torch.ones(2, 3)
    tensor[1, 2] = math.nan
    with pytest.raises(InvalidValueError, match=r"nan at \[1, 2\], 1 such"):
        check_finite("K", tensor)
    with pytest.raises(InvalidTypeError, match="int64"):
        check_finite("K", torch.ones(2, dtype=torch.int64))


def test_a_distribution_may_have_zeros_but_must_sum_to_one():
    rho = torch.tensor([0.0, 0.25, 0.75])
    assert check_distribution("rho", rho, 3) is rho
    for bad, message in [
        (torch.tensor([0.5, 0.6, 0.0]), r"sum 1\.1"),
        (torch.tensor([-0.5, 1.5, 0.0]), r"least entry -0\.5"),
        (torch.tensor([0.5, 0.5]), r"shape \[3\]"),
    ]:
        with pytest.raises(InvalidValueError, match=message):
            check_distribution("rho", bad, 3)


def test_every_error_is_one_of_ours_and_a_builtin():
    assert issubclass(InvalidValueError, QDivergeError)
    assert issubclass(InvalidValueError, ValueError)
    assert issubclass(InvalidTypeError, TypeError)
