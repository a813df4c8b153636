"""A test that leaves something changed fails, and the next one finds it as it was."""

import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.harness.leaks import SHARED, seed

HEAD = """
import builtins, os, random, signal, sys, tempfile
import matplotlib, numpy as np, pytest, torch

matplotlib.use("agg")
import matplotlib.pyplot as plt
"""
LEAKS = {
    "torch's number of threads": "torch.set_num_threads(torch.get_num_threads() + 1)",
    "torch's default type": "torch.set_default_dtype(torch.float64)",
    "torch's default device": "torch.set_default_device('meta')",
    "whether torch records gradients": "torch.set_grad_enabled(False)",
    "whether torch insists on determinism": "torch.use_deterministic_algorithms(True)",
    "numpy's handling of floating-point errors": "np.seterr(all='ignore')",
    "numpy's printing": "np.set_printoptions(precision=3)",
    "the working directory": "os.chdir(tempfile.gettempdir())",
    "the environment": "os.environ['A_SECRET'] = 'its value'",
    "sys.path": "sys.path.append('x')",
    "what Ctrl-C does": "signal.signal(signal.SIGINT, lambda *_: None)",
    "what SIGTERM does": "signal.signal(signal.SIGTERM, lambda *_: None)",
    "what SIGHUP does": "signal.signal(signal.SIGHUP, lambda *_: None)",
    "matplotlib's settings": "matplotlib.rcParams['font.size'] = 30",
    "matplotlib's open figures": "plt.figure()",
}
OTHERS = '''
@pytest.fixture(scope="module")
def leaky():
    os.environ["OF_A_FIXTURE"] = "1"
    return torch.rand(1).item()

def test_of_a_fixture(leaky): pass

def test_undone_by_itself(monkeypatch, tmp_path):
    monkeypatch.setenv("OTHER", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    torch.set_num_threads(torch.get_num_threads())

def draw(name, leaky):
    print(f"draws of {name}:", random.random(), np.random.rand(), torch.rand(1).item(), leaky)

def test_a(leaky): draw("a", leaky)
def test_b(leaky): draw("b", leaky)

def f():
    """
    >>> ([1], 2)
    ([1], 2)
    """

def test_prompt():
    assert not hasattr(builtins, "_")
'''


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What pytest prints of a file of tests, each of which leaves something changed but for six."""
    folder = tmp_path_factory.mktemp("leaks")
    tests = [f"def test_{k}():\n    {code}\n" for k, code in enumerate(LEAKS.values())]
    (folder / "test_leaking.py").write_text("\n".join([HEAD, *tests, OTHERS]))
    plugins = ["-p", "tests.harness.leaks", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rP", "--doctest-modules", *plugins, folder],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_what_a_test_changes_is_named_and_undone_for_the_next(printed):
    assert LEAKS.keys() == SHARED.keys()
    for name in LEAKS.keys() - {"the environment"}:
        assert printed.count(f"it left changed {name}, ") == 1, printed
    assert "the environment, at A_SECRET\n" in printed
    assert "its value" not in printed
    ends = rf" {len(LEAKS) + 6} passed, (\d+ warnings?, )?{len(LEAKS) + 1} errors in "
    assert re.search(ends, printed), printed


def test_what_a_shared_fixture_changes_is_found_and_what_monkeypatch_does_is_not(printed):
    assert "ERROR at teardown of test_of_a_fixture" in printed
    assert "the environment, at OF_A_FIXTURE\n" in printed
    assert "teardown of test_undone_by_itself" not in printed


@pytest.mark.parametrize("name", ["a", "b"])
def test_numbers_depend_on_nothing_but_the_name_of_the_test(name, printed):
    (line,) = (line for line in printed.splitlines() if line.startswith(f"draws of {name}:"))
    drawn = [float(word) for word in line.split()[3:]]
    seed(f"test_leaking.py::test_{name}")
    own = [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002
    seed("test_leaking.py::leaky")
    assert drawn == [*own, torch.rand(1).item()]
