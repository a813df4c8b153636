"""What hangs ends at its limit, and the report says where."""

import os
import re
import subprocess
import sys

HANGING = """
import subprocess, sys, threading, time

CODE = "import time\\ndef in_a_process():\\n    time.sleep(1000)\\nin_a_process()"

def test_loop():
    while True:
        time.sleep(0.01)

def in_a_thread():
    while True:
        time.sleep(0.1)

def test_thread():
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()

def test_process_with_pipes():
    subprocess.run([sys.executable, "-c", CODE.replace("in_a", "in_a_piped")], capture_output=True)

def test_process():
    subprocess.run([sys.executable, "-c", CODE])

def test_next(): pass
"""


def test_a_loop_a_thread_and_processes_say_where_they_hung(tmp_path):
    (tmp_path / "test_hanging.py").write_text(HANGING)
    plugins = ["-p", "tests.harness.hangs", "-p", "no:randomly", "--timeout", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    text = done.stdout + done.stderr
    assert "4 failed, 1 passed" in text, text
    assert text.count("it took more than its limit of 2 s") >= 4
    assert re.search(r"test_hanging\.py:[78]: Failed", text)  # the lines of the loop
    for name in ("in_a_thread", "in_a_piped_process", "in_a_process"):
        assert any(line.endswith(f"in {name}") for line in text.splitlines()), (name, text)
