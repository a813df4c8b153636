"""Forecasts against simulated blow-ups, with the coverage of their intervals."""

import math

import pytest
import torch

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.theory.forecast import forecast_blow_up, time_to_threshold
from tests.chance import assert_drawn
from tests.theory.problems import F


def finite_time(t, crash, depth):
    """Q with dQ/dt = cQ^{1+p} that reaches ∞ at ``crash``."""
    p = (2 * depth - 2) / depth
    return (crash - t) ** (-1 / p)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("seen", [0.1, 0.5, 0.9])
def test_noiseless_blow_up_is_exact(depth, seen):
    t = torch.linspace(0, 100 * seen, 20, dtype=F)
    forecast = forecast_blow_up(t, finite_time(t, 100.0, depth), depth=depth)
    assert forecast.time == pytest.approx(100.0, rel=1e-6)
    assert forecast.lower <= 100.0 + 1e-6
    assert forecast.upper >= 100.0 - 1e-6
    assert forecast.residual < 1e-6
    assert "blows up at about t = 100" in str(forecast)


def test_growth_law_is_the_gradient_flow_of_a_homogeneous_network():
    """Q = w^L at one state that bootstraps on itself at κ > 1 times its gradient's size."""
    for depth in (2, 3, 4):
        w, dt, times, values = 0.5, 1e-4, [], []
        for k in range(60_000):
            Q = w**depth
            if Q > 50:
                break
            if k % 200 == 0:
                times.append(k * dt)
                values.append(Q)
            w += dt * 0.5 * Q * depth * w ** (depth - 1)  # α δ ∂Q, δ = ½Q
        half = len(times) // 2
        early = forecast_blow_up(
            torch.tensor(times[:half]), torch.tensor(values[:half]), depth=depth
        )
        p = (2 * depth - 2) / depth  # dQ/dt = ½L² Q^{1+p}
        crash = 0.5**depth
        exact = crash**-p / (p * 0.5 * depth**2)
        assert early.time == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize(
    ("law", "values", "threshold", "time"),
    [
        ("exponential", lambda t: torch.exp(0.1 * t), math.exp(5), 50.0),
        ("power", lambda t: (1 + t) ** 3, 1e6, 99.0),
        ("finite_time", lambda t: finite_time(t, 100.0, 3), 100**0.75, 99.99),
    ],
)
def test_threshold_crossings(law, values, threshold, time):
    t = torch.arange(30, dtype=F)
    forecast = forecast_blow_up(t, values(t), law, depth=3, threshold=threshold)
    assert forecast.time == pytest.approx(time, rel=1e-6)


@pytest.mark.parametrize("law", ["finite_time", "exponential", "power"])
def test_interval_covers_at_its_level(law):
    """1,000 noisy blow-ups, independent errors on the law's own scale; of 20,000, 94.9 %."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(20, dtype=F)
    covered = bounded = 0
    for _ in range(1_000):
        noise = torch.randn(20, generator=generator, dtype=F)
        if law == "finite_time":  # p = 4/3: y = 60 − t
            values, threshold, truth = (60 - t + 2 * noise).clamp(min=1) ** -0.75, math.inf, 60.0
        elif law == "exponential":
            values, threshold, truth = torch.exp(0.1 * t + 0.5 * noise), math.exp(5), 50.0
        else:
            values, threshold, truth = (5 + t + 2 * noise).clamp(min=0.1) ** 3, 45.0**3, 40.0
        forecast = forecast_blow_up(t, values, law, depth=3, threshold=threshold)
        covered += forecast.lower <= truth <= forecast.upper
        bounded += math.isfinite(forecast.upper)
    assert_drawn([covered, 1_000 - covered], [0.95, 0.05])
    assert bounded > 900  # of 20,000, 99.8 %: coverage is not had by intervals without end


def test_no_growth_is_said_and_unbounded_where_the_slope_is_noise():
    t = torch.arange(10, dtype=F)
    falling = forecast_blow_up(t, 10 - 0.5 * t)
    assert math.isinf(falling.time)
    assert "does not grow" in str(falling)
    assert (falling.lower, falling.upper) == (-math.inf, math.inf)
    line = torch.stack([torch.ones(10, dtype=F), t], 1)
    noise = torch.randn(10, generator=torch.Generator().manual_seed(3), dtype=F)
    noise = noise - line @ torch.linalg.lstsq(line, noise[:, None]).solution.squeeze(1)
    slope = 0.2 * noise.norm() / t.std() / 10  # a fifth of what the noise hides at 95 %, or less
    flat = forecast_blow_up(t, torch.exp(noise + slope * t), "exponential", threshold=1e6)
    assert math.isinf(flat.upper)
    noise = torch.randn(10, generator=torch.Generator().manual_seed(4), dtype=F)
    slow = forecast_blow_up(t, torch.exp(noise + 0.1 * t), "exponential", threshold=1e6)
    assert float(t[-1]) < slow.lower < slow.time < slow.upper == math.inf


def test_the_residual_is_the_share_of_the_scatter_that_the_law_leaves():
    """RSS/TSS = 1 − R² of the straight line in ln Q; none is left of values that stand still."""
    t = torch.arange(12, dtype=F)
    logs = 0.1 * t + torch.randn(12, generator=torch.Generator().manual_seed(1), dtype=F)
    forecast = forecast_blow_up(t, logs.exp(), "exponential", threshold=1e6)
    correlation = float(torch.corrcoef(torch.stack([t, logs]))[0, 1])
    assert forecast.residual == pytest.approx(math.sqrt(1 - correlation**2))
    assert 0.3 < forecast.residual < 1
    still = forecast_blow_up(t, torch.ones(12, dtype=F), "exponential", threshold=1e6)
    assert (still.residual, still.time) == (0.0, math.inf)


def test_time_to_threshold():
    assert time_to_threshold(2.0, 2.0, 16.0) == pytest.approx(3.0)
    assert time_to_threshold(2.0, 1.0, 16.0) == math.inf
    assert time_to_threshold(-20.0, 1.1, 16.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"law": "quadratic"},
            "law must be one of finite_time, exponential, power; got 'quadratic'",
        ),
        ({"depth": 1}, "depth of the finite_time law must be an integer of at least 2"),
        ({"law": "exponential"}, "threshold must be a finite number"),
        ({"values": torch.tensor([1.0, -1, 1, 1])}, "values must be above 0; got -1"),
        ({"values": torch.ones(3)}, r"one length of at least 3.*\[4\] and \[3\]"),
        ({"times": torch.ones(4)}, "at different times"),
        ({"values": torch.tensor([1.0, math.nan, 1, 1])}, "values must be finite"),
    ],
)
def test_bad_input(arguments, message):
    given = {"times": torch.arange(4.0), "values": torch.ones(4), **arguments}
    with pytest.raises(InvalidValueError, match=message):
        forecast_blow_up(**given)


def test_integers_are_a_type_error():
    with pytest.raises(InvalidTypeError, match="times must be a floating-point tensor"):
        forecast_blow_up(torch.arange(4), torch.ones(4))
