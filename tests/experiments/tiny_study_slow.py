"""A study for the tests of the sweep engine: one cell that says who it is and takes its time."""

import os
import time


def cells(is_full):
    return [{"x": 0}]


def run(config, folder):
    (folder / "pid.tmp").write_text(str(os.getpid()))
    (folder / "pid.tmp").rename(folder / "pid")
    time.sleep(300)
    return {}
