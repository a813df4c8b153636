"""The watching toolkit stands on its own, and a file is known by its name."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import qdiverge

WATCH = """
import sys
for laboratory in ("qdiverge.agents", "qdiverge.mdp", "gymnasium", "ale_py", "matplotlib"):
    sys.modules[laboratory] = None  # an import of it raises ImportError
import torch
import qdiverge as qd
from qdiverge.cli import main

q_net = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(q_net.parameters(), lr=0.1)
options = {"optimizer": optimizer, "discount": 0.9, "every": 2, "cost": "full"}
with qd.attach(q_net, out="run", **options) as monitor:
    for _ in range(4):
        data = monitor.batch(
            qd.Transitions(
                observations=torch.randn(8, 3),
                actions=torch.randint(2, (8,)),
                rewards=torch.ones(8),
                next_observations=torch.randn(8, 3),
                terminated=torch.zeros(8),
            )
        )
        optimizer.zero_grad()
        q_net(data.observations).square().mean().backward()
        optimizer.step()
for command in (["report", "run"], ["export", "run"], ["watch", "run", "--once"]):
    assert main(command) == 0, command
print(sorted(name for name in sys.modules if name.startswith(("qdiverge.agents", "qdiverge.mdp"))))
"""


def test_a_run_is_watched_and_shown_without_the_laboratory(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", WATCH], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == "['qdiverge.agents', 'qdiverge.mdp']"  # the two None
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_a_file_is_known_by_its_name_without_its_room():
    """Only a command has the name of the function behind it: ``qdiverge diagnose``."""
    rooms = Path(qdiverge.__file__).parent
    names = Counter(file.name for file in rooms.rglob("*.py") if file.name != "__init__.py")
    commands = {file.name for file in (rooms / "cli").glob("*.py")}
    assert [name for name, count in names.items() if count > 1 + (name in commands)] == []


def test_help_waits_for_no_network():
    """Neither torch nor numpy is imported for ``qdiverge -h``, and every public name is there."""
    code = (
        "import sys; from qdiverge.cli import main; main(['-h']); "
        "assert not {'torch', 'numpy'} & set(sys.modules); import qdiverge as qd; "
        "assert set(qd._HOME) == set(qd.__all__) <= set(dir(qd)); qd.__version__; "
        "[getattr(qd, name) for name in qd.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qdiverge.nothing
