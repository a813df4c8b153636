"""Several runs in one chart, and what seeds say together, against the numbers themselves."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.report import write_report
from qdiverge.report.numbers import human
from qdiverge.report.seeds import groups_of, over_seeds
from qdiverge.runs import Series, load_run
from qdiverge.runs.info import read_info, write_info
from tests.report.synthetic import write_run
from tests.report.test_page import read


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three seeds of one setting, of which one diverges, and a run of another setting."""
    root = tmp_path_factory.mktemp("runs")
    story = {"num_steps": 60, "kernels": False}
    folders = [
        write_run(root / f"calm-{k}", seed=k, growth=0.4 if k == 3 else 0.0, **story)
        for k in (1, 2, 3)
    ]
    return [*folders, write_run(root / "other", config={"learning_rate": 1.0}, **story)]


@pytest.fixture(scope="module")
def text(runs):
    return write_report(runs).read_text(encoding="utf-8")


def carried(text, run):
    """Return steps and values of max |Q| that the chart of all runs carries under a name."""
    figure = text[text.index('id="panel-largest-q-value-all-runs"') :]
    pattern = rf'data-steps="([^"]+)" data-values="([^"]+)" data-run="{re.escape(run)}"'
    steps, values = re.search(pattern, figure).groups()
    differences = [
        int(difference)
        for part in steps.split()
        for difference, _, count in [part.partition("x")]
        for _ in range(int(count or 1))
    ]
    return np.cumsum(differences), np.frombuffer(base64.b64decode(values), "<f8")


def test_every_run_is_a_line_and_the_seeds_are_a_mean_with_its_band(runs, text):
    every = [load_run(run).series["diverge/q_abs_max"] for run in runs]
    for run, series in zip(runs, every, strict=True):
        steps, values = carried(text, run.name)
        np.testing.assert_array_equal(steps, series.steps)
        np.testing.assert_array_equal(values, series.values)
    seeds = np.array([series.values for series in every[:3]])
    for name, expected in (
        ("mean", seeds.mean(0)),
        ("least", seeds.min(0)),
        ("largest", seeds.max(0)),
    ):
        np.testing.assert_allclose(carried(text, f"calm, 3 seeds, {name}")[1], expected, rtol=1e-12)


def test_the_seeds_are_summed_up_in_numbers(runs, text):
    largest = [load_run(run).series["diverge/q_abs_max"].values.max() for run in runs[:3]]
    page = read(runs[0] / "report.html")
    spread = f"mean {human(np.mean(largest))}, from {human(min(largest))} to {human(max(largest))}"
    assert spread in page.text
    assert "2 healthy, 1 diverged" in page.text
    assert "return, last 20 episodes" in page.text
    table = re.search(r"<table>.*?</table>", text[text.index('id="all-runs-together"') :])[0]
    assert "<th>calm</th>" in table
    assert "other" not in table  # a run alone is no group of seeds


def test_runs_are_seeds_of_one_another_only_where_the_seed_alone_differs(runs):
    loaded = [load_run(run) for run in runs]
    assert [group.places for group in groups_of(loaded)] == [(0, 1, 2), (3,)]
    twice = [loaded[0], loaded[0]]
    assert [group.places for group in groups_of(twice)] == [(0,), (1,)]
    unknown = [replace(run, info=run.info | {"seed": None}) for run in loaded[:2]]
    assert [group.places for group in groups_of(unknown)] == [(0,), (1,)]


@given(st.lists(st.lists(st.integers(0, 50), min_size=2, unique=True), min_size=2, max_size=4))
def test_lines_of_one_law_have_it_as_their_mean_wherever_they_were_measured(places):
    series = [Series(np.sort(p), 3.0 * np.sort(p) - 7.0) for p in map(np.array, places)]
    if max(s.steps[0] for s in series) > min(s.steps[-1] for s in series):
        return
    for found in over_seeds(series):
        np.testing.assert_allclose(found.values, 3.0 * found.steps - 7.0, atol=1e-12)


def test_on_a_logarithmic_axis_the_lines_are_exponentials():
    a, b = np.array([0, 4, 8]), np.array([0, 8])
    mean, least, largest = over_seeds([Series(a, 2.0**a), Series(b, 2.0**b)], is_log=True)
    for found in (mean, least, largest):
        np.testing.assert_allclose(found.values, 2.0**a, rtol=1e-12)


def test_where_a_seed_has_no_number_the_seeds_have_no_mean():
    steps = np.arange(4)
    whole, broken = np.ones(4), np.array([1.0, np.inf, 1.0, np.nan])
    mean, _, _ = over_seeds([Series(steps, whole), Series(steps, broken)])
    np.testing.assert_array_equal(np.isnan(mean.values), [False, True, False, True])


def test_runs_whose_steps_count_different_things_share_no_chart(tmp_path, runs):
    other = write_run(tmp_path / "x", num_steps=20, kernels=False)
    write_info(other, read_info(other) | {"step_unit": "updates"})
    text = write_report([other, runs[0]]).read_text(encoding="utf-8")
    assert "Their steps count different things" in text
    assert "-all-runs" not in text.replace('"all-runs-together"', "").replace("#all-runs", "")


def test_many_runs_make_one_page(tmp_path):
    many = [
        write_run(tmp_path / f"r{k}", num_steps=5, seed=k, kernels=False, config={"n": k % 8})
        for k in range(16)
    ]
    page = read(write_report(many, tmp_path))
    assert "16 runs" in page.text
    assert "2 healthy" in page.text
