"""Numbers as a reader sees them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.report.numbers import compact, human


@given(value=st.floats(1e-30, 1e30))
def test_human_numbers_keep_three_digits(value):
    text = human(value).replace(",", "")
    mantissa, _, power = text.partition(" × 10")
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    read = float(mantissa) * 10.0 ** int(power.translate(digits) or 0)
    assert read == pytest.approx(value, rel=5.1e-3)


def test_extremes_have_names():
    extremes = (np.nan, -np.inf, 0.0, 1e300)
    assert [human(v) for v in extremes] == ["NaN", "−∞", "0", "1 × 10³⁰⁰"]
    assert compact(1e300) == "10³⁰⁰"
