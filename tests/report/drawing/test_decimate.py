import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.report.drawing.decimate import MOST_POINTS, decimate, trailing_mean
from qdiverge.runs import Series


@given(seed=st.integers(0, 1000), size=st.integers(1, 5000), holes=st.floats(0, 0.5))
def test_decimation_keeps_extremes_ends_and_order(seed, size, holes):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(size) < holes, np.nan, rng.standard_cauchy(size))
    series = Series(np.arange(size) * 3, values)
    kept = decimate(series)
    assert len(kept.steps) <= MOST_POINTS
    assert (np.diff(kept.steps) > 0).all()
    assert kept.steps[0] == 0
    assert kept.steps[-1] == 3 * (size - 1)
    np.testing.assert_array_equal(kept.values, values[kept.steps // 3])
    assert np.isnan(kept.values).any() == np.isnan(values).any()
    if np.isfinite(values).any():
        assert np.nanmax(kept.values) == np.nanmax(values)
        assert np.nanmin(kept.values) == np.nanmin(values)


def test_a_short_series_is_left_alone():
    series = Series(np.arange(10), np.arange(10.0))
    assert decimate(series) is series


def test_a_single_bad_point_survives_a_million():
    values = np.zeros(100_000)
    values[77_777] = np.inf
    assert np.isinf(decimate(Series(np.arange(100_000), values)).values).sum() == 1


@given(window=st.integers(1, 30))
def test_trailing_mean_of_a_line_lags_by_half_a_window(window):
    mean = trailing_mean(Series(np.arange(100), np.arange(100.0)), window)
    np.testing.assert_allclose(mean.values[window:], np.arange(window, 100) - (window - 1) / 2)
