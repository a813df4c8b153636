"""The sweep engine on real processes: nothing lost, nothing done twice, failures said."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from experiments.sweep.command import main
from experiments.sweep.engines import make_engine
from experiments.sweep.sweep import Sweep, cells_of, locked
from qdiverge.errors import RunFolderError
from qdiverge.runs import load_run
from qdiverge.runs.table import append_row, begin_table, read_table

STUDY = "tests.experiments.tiny_study"
ROOT = Path(__file__).parents[2]


def swept(root, configs, *, engine="local", workers=2, retries=2, lost_after=60.0, **options):
    sweep = Sweep(root, cells_of(STUDY, configs, root), retries, lost_after)
    sweep.open(STUDY, is_resumed=(root / "table.jsonl").exists())
    engine = make_engine(engine, workers, STUDY, **options)
    try:
        ended = list(sweep.run(engine))
    finally:
        engine.close()
    return sweep, ended


def squares(x, do="square"):
    return [{"do": do, "x": each} for each in x]


def test_every_cell_is_run_once_in_a_process_of_its_own(tmp_path):
    sweep, ended = swept(tmp_path, squares(range(5)) + squares([3]))
    rows = list(read_table(sweep.table).rows.values())
    assert sorted(row["row"]["square"] for row in rows) == [0, 1, 4, 9, 16]
    assert len({row["row"]["pid"] for row in rows} | {os.getpid()}) == 6
    assert {row["attempts"] for row in rows} == {1}
    assert not any(each.failure for each in ended)
    assert "working on" in (sweep.cells[0].folder / "log.txt").read_text()
    header = read_table(sweep.table).header
    assert header["study"] == STUDY
    assert header["versions"]["torch"]


def test_a_second_call_runs_only_what_is_missing(tmp_path):
    swept(tmp_path, squares(range(3)))
    _, ended = swept(tmp_path, squares(range(5)))
    assert sorted(each.cell.config["x"] for each in ended) == [3, 4]


def test_a_killed_worker_is_tried_again_and_a_lost_one_found_by_its_silence(tmp_path):
    configs = squares([2], "die once") + squares([3], "hang once") + squares([4])
    sweep, ended = swept(tmp_path, configs, lost_after=4.0)
    rows = {row["config"]["x"]: row for row in read_table(sweep.table).rows.values()}
    assert {x: row["row"]["attempt"] for x, row in rows.items()} == {2: 2, 3: 2, 4: 1}
    assert rows[2]["attempts"] == 2
    assert not any(each.failure for each in ended)


def test_a_worker_that_is_asked_to_end_closes_its_run_and_is_tried_again(tmp_path):
    sweep, ended = swept(tmp_path, squares([2], "log"))
    assert not any(each.failure for each in ended)
    folder = sweep.cells[0].folder
    statuses = [load_run(folder / f"run-{attempt}").info["status"] for attempt in (1, 2)]
    assert statuses == ["interrupted", "finished"]


def test_what_raises_is_tried_as_often_as_asked_and_what_is_refused_only_once(tmp_path):
    configs = squares([1], "raise") + squares([3], "refuse") + squares([5])
    sweep, ended = swept(tmp_path, configs, retries=1)
    failures = {each.cell.config["do"]: each for each in ended if each.failure}
    assert failures["raise"].failure == "RuntimeError: no such luck"
    assert "x must be even" in failures["refuse"].failure
    assert (failures["raise"].cell.folder / "attempts").read_text() == ".."
    assert (failures["refuse"].cell.folder / "attempts").read_text() == "."
    assert len(read_table(sweep.table).rows) == 1


def test_a_divergence_is_a_row_and_a_missing_package_is_named_each_after_one_attempt(tmp_path):
    sweep, ended = swept(tmp_path, squares([1], "diverge") + squares([1], "import"))
    (row,) = read_table(sweep.table).rows.values()
    assert row["attempts"] == 1
    assert row["row"] == {"diverged": True, "reason": "values stay bounded; got max|Q| = 1e9."}
    (failed,) = (each for each in ended if each.failure)
    assert "pip install a_package_that_nobody_has" in failed.failure
    assert (failed.cell.folder / "attempts").read_text() == "."


def test_a_cell_that_waits_in_a_queue_is_not_lost(tmp_path):
    (cell,) = cells_of(STUDY, squares([1]), tmp_path)
    cell.prepare()
    assert cell.silence() == 0.0
    (cell.folder / "heartbeat").touch()
    os.utime(cell.folder / "heartbeat", (time.time() - 90, time.time() - 90))
    assert 89 < cell.silence() < 100
    cell.prepare()  # for the next attempt
    assert cell.silence() == 0.0


def test_the_workers_of_a_sweep_that_was_killed_end_too(tmp_path):
    """So that whoever resumes it never has two processes at work on one cell."""
    command = [sys.executable, "-m", "experiments", "sweep", f"{STUDY}_slow", "--workers", "1"]
    process = subprocess.Popen([*command, "--out", str(tmp_path)], cwd=ROOT)
    pid = wait_for(lambda: next(tmp_path.glob("cells/*/pid"), None)).read_text()
    process.kill()
    process.wait(30)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def wait_for(look, seconds=300.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError(look)


def test_ctrl_c_ends_the_workers_and_resuming_loses_nothing(tmp_path):
    command = [sys.executable, "-m", "experiments", "sweep", STUDY, "--full", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "s")], cwd=ROOT, start_new_session=True
    )
    table = tmp_path / "s" / "table.jsonl"
    wait_for(lambda: table.exists() and len(table.read_text().splitlines()) > 2)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(300)
    begun = len(read_table(table).rows)
    assert begun >= 1
    again = [*command, "--out", str(tmp_path / "s"), "--resume"]
    assert subprocess.run(again, cwd=ROOT, check=False, timeout=600).returncode == 0
    rows = read_table(table).rows.values()
    assert sorted(row["config"]["x"] for row in rows) == [x / 10 for x in range(12)]
    assert {row["row"]["attempt"] for row in rows} <= {1, 2}


def test_a_half_written_result_and_a_torn_row_are_made_again(tmp_path):
    sweep, _ = swept(tmp_path, squares(range(2)))
    text = sweep.table.read_text()
    sweep.table.write_text(text[:-20])  # the last row is torn
    last = json.loads(text.splitlines()[-1])
    lost = next(cell for cell in sweep.cells if cell.key == last["key"])
    (lost.folder / "result.json").write_text('{"key": "')  # as a full disk leaves it
    sweep, ended = swept(tmp_path, squares(range(2)))
    assert [each.cell.key for each in ended] == [lost.key]
    assert sorted(row["square"] for row in read_table(sweep.table).records()) == [0, 1]


def test_a_result_whose_row_was_not_written_yet_is_not_computed_again(tmp_path):
    sweep, _ = swept(tmp_path, squares(range(2)))
    lines = sweep.table.read_text().splitlines(keepends=True)
    sweep.table.write_text("".join(lines[:-1]))
    sweep, ended = swept(tmp_path, squares(range(2)))
    assert ended == []
    assert len(read_table(sweep.table).rows) == 2


@pytest.mark.parametrize("arguments", [["nowhere"], [STUDY, "--workers", "x"], []])
def test_bad_usage_ends_with_status_2(arguments, capsys):
    assert main(arguments) == 2
    assert "expected" in capsys.readouterr().err or arguments != ["nowhere"]


def test_a_folder_with_a_sweep_wants_resume_and_another_study_is_refused(tmp_path, capsys):
    swept(tmp_path, squares(range(1)))
    assert main([STUDY, "--out", str(tmp_path)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["bottlenecks", "--out", str(tmp_path), "--resume"]) == 2
    assert "Sweep in another one: python -m experiments sweep" in capsys.readouterr().err


def test_an_engine_that_is_not_installed_and_options_it_has_not_name_the_remedy(tmp_path, capsys):
    begun = [STUDY, "--out", str(tmp_path), "--engine"]
    if find_spec("ray") is None:
        assert main([*begun, "ray"]) == 2
        assert "pip install 'qdiverge[ray]'" in capsys.readouterr().err
    assert main([*begun, "slurm", "--engine-option", "address=here"]) == 2  # no --resume needed
    assert "cluster, partition, minutes; got address" in capsys.readouterr().err
    assert main([*begun, "slurm", "--engine-option", "minutes"]) == 2
    assert "KEY=VALUE was expected" in capsys.readouterr().err


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    with locked(tmp_path), pytest.raises(RunFolderError, match="no other sweep"), locked(tmp_path):
        pass


def test_a_sweep_in_a_folder_with_a_table_of_another_schema_names_the_command(tmp_path, capsys):
    (tmp_path / "table.jsonl").write_text('{"schema": 0, "study": "bottlenecks"}\n')
    assert main(["bottlenecks", "--out", str(tmp_path), "--resume"]) == 2
    said = capsys.readouterr().err
    assert "schema 0" in said
    assert f"python -m experiments sweep bottlenecks --out {tmp_path}-2" in said


def test_a_table_of_another_schema_or_none_names_the_command(tmp_path):
    with pytest.raises(RunFolderError, match="python -m experiments sweep x"):
        read_table(tmp_path / "t.jsonl", "python -m experiments sweep x")
    (tmp_path / "t.jsonl").write_text('{"schema": 99}\n')
    with pytest.raises(RunFolderError, match="schema 99"):
        read_table(tmp_path / "t.jsonl")


def test_a_table_of_a_thousand_cells_reads_back_whole(tmp_path):
    begin_table(tmp_path / "t.jsonl", {"study": "x"})
    for n in range(1_000):
        append_row(tmp_path / "t.jsonl", {"key": f"{n}", "config": {"n": n}, "row": {"y": n**2}})
    assert sum(row["y"] for row in read_table(tmp_path / "t.jsonl").records()) == 332_833_500


def test_slurm_jobs_through_submitit_on_this_machine(tmp_path):
    pytest.importorskip("submitit")
    configs = squares([2]) + squares([1], "raise")
    sweep, ended = swept(tmp_path, configs, engine="slurm", retries=1, cluster="local")
    assert [row["square"] for row in read_table(sweep.table).records()] == [4]
    assert [each.failure for each in ended if each.failure] == ["RuntimeError: no such luck"]


@pytest.mark.slow
def test_ray_tasks_on_a_cluster_of_this_machine(tmp_path):
    pytest.importorskip("ray")
    configs = squares(range(3)) + squares([5], "die once") + squares([1], "refuse")
    sweep, ended = swept(tmp_path, configs, engine="ray")
    rows = {row["config"]["x"]: row for row in read_table(sweep.table).rows.values()}
    assert {x: row["row"]["square"] for x, row in rows.items()} == {0: 0, 1: 1, 2: 4, 5: 25}
    assert rows[5]["attempts"] == 2
    assert ["x must be even" in each.failure for each in ended if each.failure] == [True]
