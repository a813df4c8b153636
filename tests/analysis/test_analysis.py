"""Statistics against definitions, coverage and known answers; tables from real run folders."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import (
    bootstrap_band,
    bootstrap_interval,
    divergence_curve,
    interquartile_mean,
    log_rank,
    performance_profile,
    probability_of_improvement,
    run_table,
    sweep_table,
    wilson_interval,
)
from qdiverge.errors import InvalidValueError, RunFolderError
from qdiverge.runs import RunLog
from qdiverge.runs.table import append_row, begin_table
from tests.chance import assert_drawn


@given(seed=st.integers(0, 1000), size=st.integers(4, 40))
def test_the_interquartile_mean_ignores_the_outer_quarters(seed, size):
    scores = np.sort(np.random.default_rng(seed).normal(size=size))
    cut = size // 4
    assert interquartile_mean(scores) == pytest.approx(scores[cut : size - cut].mean())
    scores[-cut:] = 1e9
    scores[:cut] = -1e9
    assert interquartile_mean(scores) == pytest.approx(scores[cut : size - cut].mean())


def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say():
    """200 experiments of 60 normal scores: of the intervals some 94.5 % hold the mean."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        scores = rng.normal(size=(30, 2))
        low, high = bootstrap_interval(scores, np.mean, num_resamples=300, seed=seed)
        covered += low <= 0 <= high
    assert_drawn(np.array([covered, 200 - covered]), np.array([0.945, 0.055]))


def test_a_profile_is_the_survival_function_and_its_band_holds_it():
    scores = np.random.default_rng(3).normal(size=(20, 3))
    τ = np.linspace(-2, 2, 9)
    profile = performance_profile(scores, τ)
    by_hand = [np.mean([(scores[:, task] > t).mean() for task in range(3)]) for t in τ]
    np.testing.assert_allclose(profile, by_hand)
    low, high = bootstrap_band(scores, lambda x: performance_profile(x, τ), num_resamples=300)
    assert (low <= profile).all()
    assert (profile <= high).all()
    assert (high - low).max() > 0.1


def test_strata_are_kept_apart():
    scores = np.stack([np.zeros(6), np.full(6, 10.0)], axis=1)  # tasks differ, seeds do not
    assert bootstrap_interval(scores, np.mean) == (5.0, 5.0)


def test_wilson_by_its_formula():
    z, n, k = 1.959963984540054, 20, 3
    centre = (k + z**2 / 2) / (n + z**2)
    half = z * np.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    assert wilson_interval(3, 20) == pytest.approx((centre - half, centre + half))


def test_improvement_is_half_against_oneself_and_one_when_better():
    scores = np.random.default_rng(1).normal(size=(7, 3))
    assert probability_of_improvement(scores, scores) == 0.5
    assert probability_of_improvement(scores + 100, scores) == 1.0


def test_the_curve_is_kaplan_meiers_product():
    times = np.array([3.0, 5.0, 5.0, 8.0, 9.0])
    diverged = np.array([True, True, False, True, False])
    at, sound = divergence_curve(times, diverged)
    np.testing.assert_allclose(at, [3, 5, 8])
    np.testing.assert_allclose(sound, [4 / 5, 4 / 5 * 3 / 4, 4 / 5 * 3 / 4 * 1 / 2])


def test_log_rank_finds_no_difference_where_there_is_none():
    rng = np.random.default_rng(2)
    values = [
        log_rank(rng.exponential(size=25), rng.random(25) < 0.8, rng.exponential(size=25),
                 rng.random(25) < 0.8)
        for _ in range(200)
    ]  # fmt: skip
    found = int(np.sum(np.array(values) < 0.05))
    assert_drawn(np.array([found, 200 - found]), np.array([0.05, 0.95]))


def test_bad_input_is_named():
    with pytest.raises(InvalidValueError, match="Do not drop it"):
        interquartile_mean(np.array([1.0, np.nan]))
    with pytest.raises(InvalidValueError, match="seeds, tasks"):
        bootstrap_interval(np.ones(3))
    with pytest.raises(InvalidValueError, match="total"):
        wilson_interval(5, 4)
    with pytest.raises(InvalidValueError, match=r"\[R\]"):
        divergence_curve(np.ones(3), np.ones(2, dtype=bool))


def test_runs_become_rows(tmp_path):
    sizes = {"calm": [1.0, 2.0, 1.0], "wild": [1.0, 50.0, 200.0], "nan": [1.0, 2.0, np.nan]}
    for name, values in sizes.items():
        with RunLog(tmp_path / name, {"learning_rate": 0.1}, info={"seed": 3}) as log:
            for step, value in enumerate(values, start=1):
                bound = {"diverge/soft_divergence_bound": 100.0}
                log.metrics(10 * step, {"diverge/q_abs_max": value} | bound)
            if name == "wild":
                log.alarm(20, 2, "runaway_growth", "it grows")
                log.alarm(30, 3, "soft_divergence", "it is beyond")
            log.metrics(30, {"charts/episodic_return": 4.0})
    rows = {row["name"]: row for row in run_table(tmp_path / name for name in sizes)}
    assert rows["calm"]["diverged_at"] is None
    assert (rows["wild"]["diverged_at"], rows["wild"]["warned_at"], rows["wild"]["lead"]) == (
        30, 20, 10,
    )  # fmt: skip
    assert rows["nan"]["diverged_at"] == 30
    assert rows["nan"]["lead"] is None
    assert rows["calm"]["config.learning_rate"] == 0.1
    assert rows["calm"]["last_return"] == 4.0


def test_cells_become_rows_of_a_sweep_under_way_and_of_its_table(tmp_path):
    begin_table(tmp_path / "table.jsonl", {"study": "x"})
    for n in range(3):
        cell = {"key": f"k{n}", "config": {"seed": n}, "row": {"q": n / 2}, "seconds": 1.0}
        append_row(tmp_path / "table.jsonl", cell | {"attempts": 1, "commit": "c"})
    rows = sweep_table(tmp_path)
    assert [(row["config.seed"], row["q"]) for row in rows] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert rows[0]["hardware"] is None
    assert rows == sweep_table(tmp_path / "table.jsonl")
    with pytest.raises(RunFolderError, match="python -m experiments sweep NAME"):
        sweep_table(tmp_path / "none")


def test_a_table_of_a_thousand_cells_loads_as_fast_as_its_lines_are_parsed(tmp_path):
    begin_table(tmp_path / "t.jsonl", {"study": "x"})
    curve = list(np.linspace(0, 1, 200))
    with (tmp_path / "t.jsonl").open("a") as file:
        for n in range(1_000):
            row = {"key": f"{n}", "config": {"seed": n}, "row": {"curve": curve, "q": n}}
            file.write(json.dumps(row) + "\n")
    start = time.process_time()
    assert len(sweep_table(tmp_path / "t.jsonl")) == 1_000
    spent, start = time.process_time() - start, time.process_time()
    with (tmp_path / "t.jsonl").open() as file:
        assert sum(1 for line in file if json.loads(line)) == 1_001
    assert spent < 10 * (time.process_time() - start)
