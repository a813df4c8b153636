"""The fan of a look ahead stands on the chart of the values, in the run's own steps."""

import re

import numpy as np
import pytest
import torch

import qdiverge as qd
from qdiverge.report.drawing.chart import BOTTOM, HEIGHT, TOP
from qdiverge.report.fans import fans_of, remedies_of, steps_per_update
from qdiverge.report.run_page import render
from qdiverge.runs import RunLog, load_run


@pytest.fixture
def run(tmp_path):
    with RunLog(tmp_path / "run", {"discount": 0.9}, step_unit="agent steps") as log:
        for update in (25, 50, 75, 100):
            values = {"diverge/q_abs_max": update / 20, "diverge/soft_divergence_bound": 10.0}
            log.metrics(4 * update, values | {"update": update})
        fan = {"updates": [1.0, 10.0], "low": [1.5, 2.0], "median": [1.6, 4.0], "high": [1.7, 9.0]}
        log.arrays("foresight", 128, {name: np.array(values) for name, values in fan.items()})
    return load_run(tmp_path / "run")


def test_a_fan_begins_where_its_copies_did_and_goes_as_far(run):
    assert steps_per_update(run) == 4.0
    ((low, median, high),) = fans_of(run)
    assert median.steps.tolist() == [132, 168]
    assert (low.values[1], median.values[1], high.values[1]) == (2.0, 4.0, 9.0)


def test_the_page_draws_it_beside_the_values_and_nowhere_else(run):
    page = render([run])
    assert len(re.findall(r'class="ahead"', page)) == 1
    assert "copies that trained ahead" in page


def test_the_axis_holds_the_whole_fan(tmp_path):
    with RunLog(tmp_path / "run", {"discount": 0.9}) as log:
        for update in (25, 50):
            log.metrics(update, {"diverge/q_abs_max": 8.0, "diverge/soft_divergence_bound": 10.0})
        fan = {"updates": [1.0, 20.0], "low": [0.1, 2.0], "median": [0.2, 4.0], "high": [0.3, 9.0]}
        log.arrays("foresight", 26, {name: np.array(values) for name, values in fan.items()})
    page = render([load_run(tmp_path / "run")])
    ((first, last),) = re.findall(r'class="ahead" d="M\S+ (\S+)L\S+ (\S+)"', page)
    assert TOP <= float(last) < float(first) < HEIGHT - BOTTOM  # 0.2 and 4, above 0.1


def test_a_real_run_shows_its_fan_and_what_each_remedy_would_do(tmp_path):
    q = torch.nn.Linear(1, 1, bias=False)  # s = 1 leads to s' = 2: w grows by 1.08 in an update
    torch.nn.init.ones_(q.weight)
    sgd = torch.optim.SGD(q.parameters(), lr=0.1)
    s, a = torch.ones(4, 1), torch.zeros(4, dtype=torch.int64)
    batch = qd.Transitions(s, a, torch.zeros(4), 2 * s, torch.zeros(4))
    given = {"discount": 0.9, "loss": "half_squared", "reward_bound": 1.0, "max_overhead": None}
    ahead = {"data": batch, "num_updates": 200}
    with qd.attach(q, optimizer=sgd, out=tmp_path / "run", foresight=ahead, every=1, **given) as m:
        for _ in range(40):
            m.batch(batch)
            with torch.no_grad():
                y = 0.9 * q(2 * s)[:, 0]
            sgd.zero_grad()
            ((q(s)[:, 0] - y).square().mean() / 2).backward()
            sgd.step()
    run = load_run(tmp_path / "run")
    ((_, median, _),) = fans_of(run)
    size = run.series["diverge/q_abs_max"]
    at = dict(zip(median.steps.tolist(), median.values.tolist(), strict=True))
    both = [(at[int(t)], v) for t, v in zip(size.steps, size.values, strict=True) if int(t) in at]
    assert len(both) > 5  # of copies on the same data: the run itself, all but for rounding
    assert all(ahead == pytest.approx(real, rel=1e-4) for ahead, real in both)
    held = [remedy for remedy in remedies_of(run) if remedy.held]
    assert [remedy.name for remedy in held] == ["target copied every 100 updates"]
    assert max(held[0].sizes.values) < 5
    page = render([run])
    assert len(re.findall(r'class="ahead"', page)) == 1 + len(remedies_of(run))
    assert "target copied every 100 updates: held" in page
    assert "learning rate / 4: diverged" in page
