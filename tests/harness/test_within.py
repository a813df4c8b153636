"""A run with little time takes what failed, what is new and what is short."""

import json
import os
import subprocess
import sys

import pytest

from tests.harness.within import PREPARATION, TIMES, fit

TESTS = "\n".join(f"def test_{name}(): pass" for name in ("new", "short", "failed", "long"))
OWN = {"short": 1.0, "failed": 500.0, "long": 50.0}


def test_the_shortest_fit_and_what_was_never_timed():
    times = {"new": 0.0, "a": 3.0, "b": 1.0, "c": 2.0, "d": 0.5}
    assert fit(0.0, times) == {"new"}
    assert fit(3.6, times) == {"new", "d", "b", "c"}
    assert fit(3.4, times) == {"new", "d", "b"}
    assert fit(-1.0, times) == {"new"}


@pytest.mark.parametrize("workers", [0, 1])
def test_what_ran_last_decides_what_runs(workers, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    cache = tmp_path / ".pytest_cache" / "v"
    notes = cache / f"{TIMES}"
    for path, found in (
        (notes, {f"test_it.py::test_{name}": seconds for name, seconds in OWN.items()}),
        (cache / "cache" / "lastfailed", {"test_it.py::test_failed": True}),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    options = ["-n", str(workers), "-p", "no:randomly", "--within", str(PREPARATION + 10)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "tests.harness.within", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "test_long" not in done.stdout
    noted = json.loads(notes.read_text())
    assert noted.keys() == {f"test_it.py::test_{name}" for name in ("new", *OWN)}
    assert noted["test_it.py::test_long"] == 50.0  # not run: as it was
    assert noted["test_it.py::test_failed"] < 50.0
