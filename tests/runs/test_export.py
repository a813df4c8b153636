import csv
import json
import math
import time

import pytest

from qdiverge.cli import main
from qdiverge.errors import InvalidValueError, MissingExtraError, RunFolderError
from qdiverge.runs import RunLog, export_run, read_events

EXACT = [0.1, -1e-300, 1.7e308, math.nan, math.inf, -math.inf]


@pytest.fixture
def run(tmp_path):
    """Six numbers of x, y at every other step, two episodes that end together, an alarm."""
    with RunLog(tmp_path / "run") as log:
        for step, value in enumerate(EXACT):
            log.metrics(step, {"x": value})
            if step % 2:
                log.metrics(step, {"y": float(step)})
        log.metrics(6, {"charts/score": 1.0})
        log.metrics(6, {"charts/score": 2.0})
        log.alarm(4, 1, "not_finite", 'a "quoted", long\nmessage')
    return tmp_path / "run"


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_parquet(path):
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()


def same(left, right):
    return left == right or (math.isnan(left) and math.isnan(right))


def test_wide_csv_round_trip(run):
    table, alarms = export_run(run)
    assert (table, alarms) == (run / "metrics.csv", run / "metrics-alarms.csv")
    rows = read_csv(table)
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert all(same(float(row["x"]), value) for row, value in zip(rows, EXACT, strict=False))
    assert [row["y"] for row in rows] == ["", "1.0", "", "3.0", "", "5.0", "", ""]
    assert [row["charts/score"] for row in rows[-2:]] == ["1.0", "2.0"]
    (alarm,) = read_csv(alarms)
    assert alarm["message"] == 'a "quoted", long\nmessage'
    assert (alarm["step"], alarm["update"], alarm["rule"]) == ("4", "1", "not_finite")


def test_long_csv_holds_every_number_once(run):
    rows = read_csv(export_run(run, layout="long")[0])
    expected = [
        (e["step"], e["time"], key, float(e[key]))
        for e in read_events(run)
        if e["kind"] == "metrics"
        for key in e.keys() - {"kind", "step", "time"}
    ]
    assert len(rows) == len(expected) == 11
    for row, (step, when, metric, value) in zip(rows, expected, strict=True):
        assert (int(row["step"]), float(row["time"]), row["metric"]) == (step, when, metric)
        assert same(float(row["value"]), value)


def test_parquet_round_trip_tells_nan_from_nothing(run, tmp_path):
    pytest.importorskip("pyarrow")
    table, alarms = export_run(run, tmp_path / "new" / "t.parquet", format="parquet")
    rows = read_parquet(table)
    assert all(same(row["x"], value) for row, value in zip(rows, EXACT, strict=False))
    assert [row["y"] for row in rows] == [None, 1.0, None, 3.0, None, 5.0, None, None]
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert read_parquet(alarms)[0]["update"] == 1
    assert alarms.name == "t-alarms.parquet"


def test_parquet_of_a_run_without_a_line(tmp_path):
    pytest.importorskip("pyarrow")
    RunLog(tmp_path / "empty").close()
    for layout in ("wide", "long"):
        assert (
            read_parquet(export_run(tmp_path / "empty", format="parquet", layout=layout)[0]) == []
        )


def test_patterns_choose_columns(run, capsys):
    assert main(["export", str(run), "--metrics", "charts/*", "y"]) == 0
    assert list(read_csv(run / "metrics.csv")[0]) == ["step", "time", "charts/score", "y"]
    capsys.readouterr()
    assert main(["export", str(run), "--metrics", "lossses/*"]) == 2
    assert "charts/score, x, y" in capsys.readouterr().err


def test_a_failed_export_leaves_what_was_there(run, monkeypatch):
    before = export_run(run)[0].read_bytes()
    with RunLog(run.parent / "other") as log:
        log.metrics(1, {"x": 1.0})
    monkeypatch.setattr(csv, "writer", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_run(run)
    assert (run / "metrics.csv").read_bytes() == before
    assert not list(run.glob("*.tmp"))


def test_what_cannot_be_done_is_said(run, tmp_path, monkeypatch):
    with pytest.raises(RunFolderError, match="Check the path"):
        export_run(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Choose another --out"):
        export_run(run, tmp_path / "file" / "t.csv")
    with pytest.raises(InvalidValueError, match="one of csv, parquet"):
        export_run(run, format="xlsx")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"qdiverge\[parquet\]"):
        export_run(run, format="parquet")
    assert main(["export", str(run), "--wide", "--long"]) == 2


def test_a_long_run_is_exported_in_a_few_times_what_reading_it_takes(tmp_path):
    with RunLog(tmp_path / "run") as log:
        values = {f"diverge/metric_{k}": 0.1 + k for k in range(40)}
        for step in range(20_000):
            log.metrics(step, values)
    start = time.process_time()
    export_run(tmp_path / "run")
    spent, start = time.process_time() - start, time.process_time()
    with (tmp_path / "run" / "events.jsonl").open() as events:
        assert sum(1 for line in events if json.loads(line)) == 20_000
    assert spent < 40 * (time.process_time() - start)  # 4 times as long as reading alone
