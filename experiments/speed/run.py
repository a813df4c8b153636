"""How long the parts of qdiverge take, against other libraries and against the hardware."""

import argparse
from importlib import import_module

BENCHMARKS = {
    "kernel": "the exact empirical NTK against six other ways to compute it",
    "solvers": "exact solvers on sparse MDPs, beside pymdptoolbox",
    "preqn": "a PreQN update against a DQN update and whole Jacobians",
    "trainer": "whole training loops: ours, a CleanRL-style one, Stable-Baselines3",
    "monitor": "what each tier of the monitor adds to three training loops; its memory",
    "diagnose": "a full diagnosis against the kernels that it needs",
    "exponent": "the exponent of the real update against one update",
    "audit": "an audit of a loop against one update of it",
    "reading": "a run of a million lines, read, reported and followed, against parsing alone",
    "sweep": "what the sweep engine adds to its cells, and a table of 1,000 of them",
}
MODULES = {"sweep": "sweep_engine"}  # a file sweep.py would make this a study with cells


def main(arguments: list[str]) -> int:
    """Run one benchmark; return the exit status."""
    lines = "\n".join(f"  {name:10} {line}" for name, line in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        "python -m experiments speed",
        description=__doc__,
        epilog=f"benchmarks:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benchmark", choices=BENCHMARKS, metavar="BENCHMARK", help="see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…", help="its own; try -h")
    options = parser.parse_args(arguments)
    module = MODULES.get(options.benchmark, options.benchmark)
    status: int = import_module(f"experiments.speed.{module}").main(options.arguments)
    return status
