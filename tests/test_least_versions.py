"""What is too old says so at once, in one line; what is promised is what is checked."""

import subprocess
import sys
from pathlib import Path

import pytest

import qdiverge
from qdiverge.least_versions import LEAST, PYTHON
from tests.lowest import lowest
from tests.toml import tomllib

ROOT = Path(qdiverge.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def told(before: str, *path: Path) -> str:
    """Return the last line that ``import qdiverge`` says in an interpreter of its own."""
    code = f"import sys; sys.path[:0] = {[str(ROOT), *map(str, path)]!r}; {before}; import qdiverge"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return (run.stderr.splitlines() or ["nothing"])[-1]


def test_what_is_checked_is_what_is_promised():
    assert PROJECT["requires-python"] == f">={PYTHON[0]}.{PYTHON[1]}"
    promised = lowest(PROJECT)
    for name, (major, minor) in LEAST.items():
        assert f"{name}=={major}.{minor}" in promised


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("sys.version_info = (3, 9, 18)", "Python 3.10 or newer; found 3.9.18."),
        (
            "import types; t = sys.modules['torch'] = types.ModuleType('torch'); "
            "t.__version__ = '2.3.1+cu121'",
            "torch 2.4 or newer; found 2.3.1+cu121.",
        ),
        ("pass", "nothing"),
    ],
)
def test_what_is_too_old_is_refused_by_name(before, line):
    said = told(before)
    assert said == (line if line == "nothing" else f"ImportError: qdiverge needs {line}")


def test_what_lies_first_on_the_path_counts_and_is_not_imported(tmp_path):
    (tmp_path / "numpy-1.25.2.dist-info").mkdir()
    line = "ImportError: qdiverge needs numpy 1.26 or newer; found 1.25.2."
    assert told("pass", tmp_path / "missing", tmp_path) == line
    (tmp_path / "numpy-1.25.2.dist-info").rename(tmp_path / "numpy-1.26.0.dist-info")
    assert told("pass", tmp_path) == "nothing"
