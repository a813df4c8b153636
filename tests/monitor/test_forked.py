"""A forked child neither writes to its parent's run, nor ends it, nor holds it."""

import json
import os
import subprocess
import sys

import pytest

from qdiverge.runs import RunLog, load_run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")

# A parent whose child does all that may go wrong, each in a context of its own.
CHILD = """
import os, sys, time, traceback
import torch
from torch import nn
from qdiverge import attach
from qdiverge.errors import RunFolderError
from qdiverge.runs import RunLog

torch.set_num_threads(1)

class Told:
    def start(self, folder, info): pass
    def metrics(self, step, values): os.write(1, f"{os.getpid() == PARENT} {step}\\n".encode())
    def alarm(self, alarm): os.write(1, b"alarm\\n")
    def close(self, status): os.write(1, f"{os.getpid() == PARENT} {status}\\n".encode())

PARENT, out = os.getpid(), sys.argv[1]
net = nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
options = dict(target=None, discount=0.9, every=1, max_overhead=None, on_alarm="snapshot")
batch = {name: torch.ones(4, 2) for name in ("observations", "next_observations")}
batch |= {"actions": torch.zeros(4, dtype=torch.int64), "rewards": torch.ones(4)}
batch |= {"terminated": torch.zeros(4, dtype=torch.bool)}

def content():
    return sorted(os.listdir(out)), *(open(f"{out}/{name}").read() for name in NAMES)

NAMES = "events.jsonl", "run.json"

def update(monitor):
    monitor.batch(batch)
    values = net(batch["observations"])[:, 0]
    loss = nn.functional.huber_loss(values, torch.ones(4))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

def everything(log, monitor):
    for _ in range(3):
        update(monitor)
    monitor.snapshot()
    update(monitor)
    monitor.log({"from the child": 1.0})
    log.metrics(99, {"from the child": 1.0})
    log.alarm(99, 99, "from_the_child", "it says")
    log.target_sync(99, 99)
    log.note({"from the child": True})
    import numpy as np
    assert log.arrays("child", 99, {"x": np.zeros(1)}) is None
    for mark in (log.sync, monitor.mark):
        try:
            mark()
        except RunFolderError:
            continue
        raise AssertionError("a mark that leads nowhere")
    with attach(net, optimizer=optimizer, out=out + "-child", **options) as own:
        for _ in range(3):
            update(own)
    monitor.close("of the child")
    log.close("of the child")

log = RunLog(out, sinks=[Told()])
with log, attach(net, optimizer=optimizer, out=log, **options) as monitor:
    update(monitor)
    before = content()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with log, monitor:
                everything(log, monitor)
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert content() == before
    update(monitor)
    os.write(1, b"goes on\\n")
"""

# A parent that is killed, and whose child lives on.
ORPHAN = """
import os, signal, sys, time
from qdiverge.runs import RunLog
log = RunLog(sys.argv[1])
log.metrics(1, {"x": 1.0})
child = os.fork()
if child == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else its parent's reader waits for it
    time.sleep(120)
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_whatever_a_child_does_its_parents_run_is_its_parents(tmp_path):
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "True finished"
    assert "goes on" in lines
    assert not any(line.startswith("False") for line in lines)
    run = load_run(out)
    assert run.info["status"] == "finished"
    assert "from the child" not in run.series
    assert run.series["diverge/q_abs_max"].steps.tolist()[-1] == 2
    assert load_run(tmp_path / "run-child").info["status"] == "finished"
    text = (out / "events.jsonl").read_text()
    assert all(json.loads(line) for line in text.splitlines())


def test_a_run_whose_process_was_killed_is_free_though_a_child_lives_on(tmp_path):
    out = tmp_path / "run"
    parent = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(out)], stdout=subprocess.PIPE, text=True, check=False
    )
    child = int(parent.stdout)
    try:
        os.kill(child, 0)  # it lives
        log = RunLog.reopen(out)
        log.leave()
    finally:
        os.kill(child, 9)
