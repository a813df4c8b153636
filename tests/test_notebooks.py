"""The notebooks run, and what is committed of them is small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
RUN = """
import json, sys
from docs.tools.run_notebooks import run_notebook
run_notebook(json.load(open(sys.argv[1], encoding="utf-8")))
"""


def test_they_are_committed_as_they_ran():
    assert len(NOTEBOOKS) == 5
    for file in NOTEBOOKS:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
        assert counts == [*range(1, len(counts) + 1)], f"{file.name}: run make notebooks"
        assert file.stat().st_size < 100_000, file.name


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_what_a_notebook_asserts_holds(file, tmp_path):
    """In a process of its own, as for a reader; its cells assert what its text says."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", RUN, file], cwd=tmp_path, env=environment, check=True)
