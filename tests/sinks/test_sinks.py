"""Every sink is read back with its own library; where that is not installed, it is skipped."""

import json
import math
import random
import struct
import time

import numpy as np
import pytest
import torch

from qdiverge.cli import main
from qdiverge.errors import InvalidTypeError, InvalidValueError, MissingExtraError
from qdiverge.monitor import attach
from qdiverge.runs import AlarmEvent, RunLog, load_run
from qdiverge.sinks import SINKS, MLflow, TensorBoard, WandB, as_sink

THEIR_WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning")
MESSAGE = "max|Q| = 120 is beyond 100"


def write(folder, *sinks):
    """A run of five steps with a NaN, an infinity and an alarm."""
    settings = {"discount": 0.9, "hidden_sizes": [8]}
    with RunLog(folder, settings, info={"seed": 3}, sinks=sinks) as log:
        for step, value in enumerate([1.0, 2.5, math.nan, math.inf, -4.0]):
            log.metrics(10 * step, {"diverge/q_max": value, "charts/SPS": step})
        log.alarm(30, 3, "soft_divergence", MESSAGE)
    return folder


class Record:
    """A sink of somebody's own: nothing but the four methods."""

    def __init__(self, fails_at=None):
        self.told, self.fails_at = [], fails_at

    def _note(self, *told):
        self.told.append(told)
        random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
        if told[0] == self.fails_at:
            raise ConnectionError("the network is down")

    def start(self, folder, info):
        self._note("start", info["name"])

    def metrics(self, step, values):
        self._note("metrics", step, values)

    def alarm(self, alarm):
        self._note("alarm", alarm)

    def close(self, status):
        self._note("close", status)


def test_a_sink_is_told_what_the_log_is_told(tmp_path):
    sink = Record()
    write(tmp_path / "run", sink)
    assert sink.told[0] == ("start", "run")
    assert sink.told[2] == ("metrics", 10, {"diverge/q_max": 2.5, "charts/SPS": 1})
    assert sink.told[-2:] == [
        ("alarm", AlarmEvent(30, 3, "soft_divergence", MESSAGE)),
        ("close", "finished"),
    ]


@pytest.mark.parametrize("when", ["start", "metrics", "alarm", "close"])
def test_a_failing_sink_is_one_warning_and_the_others_go_on(tmp_path, when):
    failing, sound = Record(when), Record()
    with pytest.warns(UserWarning, match="Record failed and is switched off.*is down") as warned:
        write(tmp_path / "run", failing, sound)
    assert len(warned) == 1
    assert [told[0] for told in failing.told].count(when) == 1
    assert len(sound.told) == 8
    assert len(load_run(tmp_path / "run").series["diverge/q_max"].values) == 5


def random_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


@THEIR_WARNINGS
@pytest.mark.parametrize("name", ["own", *SINKS])
def test_no_generator_is_touched(tmp_path, monkeypatch, name):
    if name != "own":
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    before = random_states()
    write(tmp_path / "run", Record() if name == "own" else as_sink(name))
    assert random_states() == before


def test_tensorboard_is_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(write(tmp_path / "run", TensorBoard()) / "tensorboard"))
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars("diverge/q_max")]
    np.testing.assert_equal(points, [(0, 1.0), (10, 2.5), (20, np.nan), (30, np.inf), (40, -4.0)])
    assert [event.step for event in events.Scalars("alarms/soft_divergence")] == [30]
    texts = {
        tag: events.Tensors(tag)[0].tensor_proto.string_val[0] for tag in events.Tags()["tensors"]
    }
    assert MESSAGE in texts["alarms/text_summary"].decode()
    assert '"discount": 0.9' in texts["run.json/text_summary"].decode()


def test_weights_and_biases_offline_is_read_back(tmp_path):
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record as Entry

    folder = write(tmp_path / "run", WandB(project="check", mode="offline"))
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    entries, deadline = [], time.monotonic() + 30
    while not any(entry.HasField("exit") for entry in entries):  # its own process writes the file
        assert time.monotonic() < deadline
        entries = [Entry.FromString(data) for data in read_leveldb_log(path.read_bytes())]
        time.sleep(0.05)
    rows, config, summary = [], {}, {}
    for entry in entries:
        if entry.HasField("history"):
            rows.append(read_items(entry.history.item))
        config |= read_items(entry.config.update)
        summary |= read_items(entry.summary.update)
    points = [(row["step"], float(row["diverge/q_max"])) for row in rows]
    np.testing.assert_equal(points, [(0, 1.0), (10, 2.5), (20, np.nan), (30, np.inf), (40, -4.0)])
    assert config["qdiverge"]["config"]["discount"] == 0.9
    assert summary["alarms/soft_divergence"] == 30
    assert summary["status"] == "finished"
    assert entries[-1].exit.exit_code == 0


def read_leveldb_log(data):
    """Records of a LevelDB log after 7 bytes of header: blocks of 32 KiB, records in pieces."""
    assert data[:4] == b":W&B"
    place, pieces = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # what is left of a block cannot hold the head of a piece
            place += 32768 - place % 32768
        size, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        pieces += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last piece
            yield pieces
            pieces = b""


def read_items(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@THEIR_WARNINGS
@pytest.mark.parametrize("period", [0.0, 60.0], ids=["each step", "at the end"])
def test_mlflow_is_read_back(tmp_path, monkeypatch, period):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    place = f"sqlite:///{tmp_path}/mlflow.db"
    write(tmp_path / "run", MLflow(place, experiment="check", period=period))
    client = mlflow.MlflowClient(tracking_uri=place)
    (run,) = client.search_runs([client.get_experiment_by_name("check").experiment_id])
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.data.params["discount"] == "0.9"
    assert run.data.tags["alarms.soft_divergence"] == f"step 30: {MESSAGE}"
    points = {m.step: m.value for m in client.get_metric_history(run.info.run_id, "diverge/q_max")}
    largest = np.finfo(np.float64).max  # what its SQL store makes of infinity
    np.testing.assert_equal(points, {0: 1.0, 10: 2.5, 20: np.nan, 30: largest, 40: -4.0})


@THEIR_WARNINGS
def test_a_server_that_fails_switches_mlflow_off(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    sink = MLflow(f"sqlite:///{tmp_path}/mlflow.db", period=60.0)
    with (
        pytest.warns(UserWarning, match="MLflow failed and is switched off.*the disk is full"),
        RunLog(tmp_path / "run", sinks=[sink]) as log,
    ):

        def fail(*args, **kwargs):
            raise OSError("the disk is full")

        monkeypatch.setattr(sink._client, "log_batch", fail)
        log.metrics(1, {"x": 1.0})
    assert load_run(tmp_path / "run").info["status"] == "finished"


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_that_is_not_installed_names_its_extra(monkeypatch, name):
    for module in ("tensorboard", "torch.utils.tensorboard.writer", "wandb", "mlflow"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'qdiverge\[{name}\]'"):
        as_sink(name)


def test_what_is_no_sink_is_refused():
    with pytest.raises(InvalidValueError, match="one of tensorboard, wandb, mlflow"):
        as_sink("tensorbord")
    with pytest.raises(InvalidTypeError, match="without"):
        as_sink(print)
    with pytest.raises(InvalidTypeError, match="methods start, metrics"):
        as_sink(TensorBoard)


def test_an_attached_monitor_tells_its_sinks(tmp_path):
    network, sink = torch.nn.Linear(1, 2), Record()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    s = torch.ones(4, 1)
    batch = {"obs": s, "act": torch.tensor([0, 1, 0, 1]), "rew": s, "obs_next": s, "done": 0 * s}
    with attach(
        network, optimizer=optimizer, out=tmp_path / "x", sinks=[sink], every=1, cost="light"
    ) as monitor:
        monitor.batch(batch)
        network(s).square().sum().backward()
        optimizer.step()
    told = [values for kind, _, values in sink.told[1:-1] if kind == "metrics"]
    assert "diverge/q_abs_max" in told[0]
    with RunLog(tmp_path / "y") as log, pytest.raises(InvalidValueError, match=r"RunLog\("):
        attach(network, optimizer=optimizer, out=log, sinks=[Record()])


def test_training_with_a_sink_passes_scores_and_losses_on(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    task = ["--env", "CartPole-v1", "--hidden-sizes", "16", "--total-steps", "400"]
    short = ["--learning-starts", "100", "--every", "5", "--buffer-size", "1000"]
    out = tmp_path / "run"
    assert main(["train", "dqn", "--out", str(out), *task, *short, "--sink", "tensorboard"]) == 0
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {"charts/episodic_return", "losses/td_loss", "diverge/q_abs_max"} <= set(tags)
    series = load_run(out).series["losses/td_loss"]
    logged = [(event.step, event.value) for event in events.Scalars("losses/td_loss")]
    np.testing.assert_allclose(logged, np.stack([series.steps, series.values], 1), rtol=1e-6)
