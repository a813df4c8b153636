"""Whatever is logged: no line is lost, and the run can be read."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.errors import InvalidTypeError
from qdiverge.runs import RunLog


def monitor_of(folder, **options):
    network = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return qd.attach(network, optimizer=optimizer, out=folder, **options)


NUMBERS = {
    "NaN": (math.nan, math.nan),
    "infinity": (-math.inf, -math.inf),
    "a huge integer": (10**400, math.inf),
    "a large integer": (-(2**60), -float(2**60)),
    "numpy's": (np.float32(0.5), 0.5),
    "numpy's integer": (np.int64(3), 3.0),
    "a tensor": (torch.tensor(0.5, requires_grad=True), 0.5),
    "a tensor of one": (torch.tensor([[2]]), 2.0),
    "an array of one": (np.array([2.5]), 2.5),
    "a flag": (True, 1.0),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_every_number_is_read_back(what, tmp_path):
    given, read = NUMBERS[what]
    with monitor_of(tmp_path / "run") as monitor:
        monitor.log({"it": given, "beside": 1.0})
    run = qd.load_run(tmp_path / "run")
    assert np.array_equal(run.series["it"].values, [read], equal_nan=True)
    assert run.series["beside"].values.tolist() == [1.0]


@pytest.mark.parametrize("name", ["kind", "step", "time", "crc32"])
def test_a_name_that_each_line_has_is_kept_beside_it(name, tmp_path):
    with monitor_of(tmp_path / "run") as monitor:
        monitor.log({name: 5.0, "beside": 1.0})
    run = qd.load_run(tmp_path / "run")
    assert {key: s.values.tolist() for key, s in run.series.items()} == {
        f"{name}_": [5.0], "beside": [1.0],
    }  # fmt: skip
    assert run.series["beside"].steps.tolist() == [0]


@pytest.mark.parametrize("key", [3, None, (1, 2), 0.5, "a\ud800", "δ", "a\nb", ""])
def test_any_key_makes_a_name(key, tmp_path):
    with monitor_of(tmp_path / "run") as monitor:
        monitor.log({key: 5.0})
    ((_, series),) = qd.load_run(tmp_path / "run").series.items()
    assert series.values.tolist() == [5.0]


@pytest.mark.parametrize("value", ["text", None, [1.0], torch.ones(2), 1j, object(), {}])
def test_what_is_no_number_is_said_and_the_rest_is_kept(value, tmp_path):
    with monitor_of(tmp_path / "run") as monitor, pytest.warns(UserWarning, match="'it', "):
        monitor.log({"it": value, "beside": 1.0})
    run = qd.load_run(tmp_path / "run")
    assert list(run.series) == ["beside"]
    assert run.info["status"] == "finished"


def test_what_is_no_dict_is_said(tmp_path):
    with monitor_of(tmp_path / "run") as monitor, pytest.warns(UserWarning, match="dict of num"):
        monitor.log([("it", 1.0)])
    with RunLog(tmp_path / "log") as log, pytest.raises(InvalidTypeError, match="dict of numbers"):
        log.metrics(1, 5.0)


@pytest.mark.parametrize("now", [np.int64(7), torch.tensor(7), 7])
def test_a_clock_may_be_of_numpy_or_of_torch(now, tmp_path):
    with monitor_of(tmp_path / "run", clock=lambda: now) as monitor:
        monitor.log({"it": 1.0})
    assert qd.load_run(tmp_path / "run").series["it"].steps.tolist() == [7]


@pytest.mark.parametrize("now", [0.5, "soon", None, float("nan")])
def test_a_clock_that_tells_no_step_is_named_and_updates_are_counted(now, tmp_path):
    """It is asked only when it is due: what a loop closes over may not be there at the start."""
    with (
        pytest.warns(UserWarning, match="clock failed at update 0"),
        monitor_of(tmp_path / "run", clock=lambda: now) as monitor,
    ):
        monitor.log({"it": 1.0})
    assert qd.load_run(tmp_path / "run").series["it"].steps.tolist() == [0]
