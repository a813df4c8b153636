"""How long the parts of qdiverge take, against other libraries and against the hardware."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = {
    "kernel": "the exact empirical NTK against six other ways to compute it",
    "solvers": "exact solvers on sparse MDPs, beside pymdptoolbox",
    "preqn": "a PreQN update against a DQN update and whole Jacobians",
    "trainer": "whole training loops: ours, a CleanRL-style one, Stable-Baselines3",
    "monitor": "what each tier of the monitor adds to three training loops; its memory",
    "diagnose": "a full diagnosis against the kernels that it needs",
    "sweep": "what the sweep engine adds to its cells, and a table of 1,000 of them",
}
MODULES = {"sweep": "sweep_engine"}  # a file sweep.py would make this a study with cells


def main(arguments: list[str]) -> int:
    """Run one benchmark; return the exit status."""
    if arguments and arguments[0] in BENCHMARKS:
        module = MODULES.get(arguments[0], arguments[0])
        return import_module(f"experiments.speed.{module}").main(arguments[1:])
    wanted = arguments and arguments[0] in ("-h", "--help")
    lines = "\n".join(f"  {name:10} {line}" for name, line in BENCHMARKS.items())
    text = f"usage: python -m experiments speed BENCHMARK [-h]\n\nbenchmarks:\n{lines}"
    print(text, file=sys.stdout if wanted else sys.stderr)
    return 0 if wanted else 2
