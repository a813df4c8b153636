"""The solver benchmark end to end on small grids."""

import json

from experiments.speed.run import main


def test_solvers_are_timed_and_exact(tmp_path, capsys):
    assert main(["solvers", "--sizes", "16", "100", "--out", str(tmp_path)]) == 0
    table = json.loads((tmp_path / "solvers.json").read_text())
    ours = [row for row in table["rows"] if row["solver"].startswith("qdiverge")]
    assert len(ours) == 4
    assert all(row["error"] <= 1e-8 for row in table["rows"])
    assert table["command"].startswith("python -m experiments speed solvers --sizes 16 100")
    assert {"commit", "versions", "hardware"} <= table.keys()
