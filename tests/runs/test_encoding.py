"""Whatever the locale, the files of a run are UTF-8."""

import subprocess
import sys

WRITE_AND_READ = """
import sys, warnings
warnings.filterwarnings("error", category=EncodingWarning, module="qdiverge")
from qdiverge.runs import RunLog, Tail, export_run, load_run, read_info, status_of
from qdiverge.runs.table import append_row, begin_table, read_table

folder = sys.argv[1]
with RunLog(f"{folder}/run", {"name": "γ = 0,99"}) as log:
    log.metrics(1, {"π": 1.0})
    log.alarm(1, 1, "ρ", "ρ > 1")
    assert status_of(read_info(log.folder)) == "running"
assert load_run(log.folder).series["π"].values.tolist() == [1.0]
assert Tail(log.folder / "events.jsonl").read()[0][0]["π"] == 1.0
for layout in ("wide", "long"):
    table, alarms = export_run(log.folder, layout=layout)
    assert "π" in table.read_bytes().decode() and "ρ" in alarms.read_bytes().decode()
begin_table(f"{folder}/t.jsonl", {"study": "γ"})
append_row(f"{folder}/t.jsonl", {"key": "γ", "config": {}, "row": {"γ": 1}})
assert read_table(f"{folder}/t.jsonl").records() == [{"γ": 1}]
"""


def test_no_file_of_a_run_is_read_or_written_in_the_encoding_of_the_locale(tmp_path):
    python = [sys.executable, "-X", "warn_default_encoding", "-c", WRITE_AND_READ]
    done = subprocess.run([*python, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
