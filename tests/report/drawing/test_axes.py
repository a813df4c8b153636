import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.report.drawing.axes import Axis, fit_axis, is_wide

KINDS = ("linear", "log", "symlog")
SIZES = st.floats(1e-30, 1e30)


@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(SIZES | SIZES.map(lambda v: -v) | st.just(0.0), min_size=1))
def test_axis_holds_all_its_data_and_keeps_their_order(kind, values):
    if kind == "log":
        values = [abs(v) or 1.0 for v in values]
    axis = fit_axis(kind, np.array(values))
    places = axis(np.sort(values))
    assert np.isfinite(places).all()
    assert (np.diff(places) >= 0).all()
    assert axis.low <= min(values)
    assert max(values) <= axis.high


@pytest.mark.parametrize("kind", KINDS)
@given(low=SIZES, ratio=st.floats(1.01, 1e12))
def test_ticks_are_few_sorted_inside_and_told_apart(kind, low, ratio):
    axis = fit_axis(kind, np.array([low, low * ratio]))
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    assert all(axis.low - 1e-9 * abs(axis.low) <= t <= axis.high * (1 + 1e-9) for t in ticks)


def test_axes_pass_over_what_is_no_number():
    assert fit_axis("log", np.array([np.nan, np.inf, -1.0, 0.0])) == Axis("log", 0.1, 10.0)
    assert fit_axis("linear", np.array([])) == Axis("linear", 0.0, 1.0)
    assert fit_axis("linear", np.array([3.0])).low < 3.0 < fit_axis("linear", np.array([3.0])).high


def test_symlog_axis_is_odd_about_zero():
    axis = Axis("symlog", -1e4, 1e4)
    values = np.array([0.3, 7.0, 900.0])
    np.testing.assert_allclose(axis(values) - 0.5, 0.5 - axis(-values), atol=1e-12)


def test_only_values_of_many_sizes_are_wide():
    assert is_wide(np.array([0.1, 0.2, 1e6]))
    assert not is_wide(np.array([0.1, 0.5, 1.0, np.inf]))
    assert not is_wide(np.array([np.nan]))
