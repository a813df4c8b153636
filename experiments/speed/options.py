"""The kernel benchmark's command line."""

import argparse
from typing import Any

import torch

from experiments.speed import methods, record

DESCRIPTION = "Time the exact empirical NTK by every method; write CSV, JSON and Markdown."


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for, ready for JSON."""
    return {k: v for k, v in vars(options).items() if k != "out"} | {"dtype": "float32"}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    threads = torch.get_num_threads()
    parser = record.parser("kernel", DESCRIPTION, threads=threads, clock="wall")
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=[64, 256, 1024], help="N (default 64 256 1024)")
    add("--networks", nargs="+", default=["nature", "mlp"], choices=["nature", "mlp", "tiny"])
    add("--repeats", type=int, default=10, help="rounds (default 10)")
    add("--turn", type=float, default=1, help="seconds of calls that make a turn (default 1)")
    add("--budget", type=float, default=20, help="seconds after which a method leaves the rounds")
    add("--time-limit", type=float, default=120, help="seconds of one call that is still run")
    add("--peers", nargs="*", default=["all"], help="which peers; none after it: ours alone")
    add("--device", default="cpu", help="cpu or cuda")
    add("--no-memory", action="store_true", help="skip the fresh processes that measure memory")
    options = parser.parse_args(arguments)
    try:
        methods.find(options.peers)
    except ValueError as error:
        parser.error(str(error))
    if min([*options.sizes, options.threads, options.repeats]) < 1:
        parser.error("expected --sizes, --threads and --repeats of at least 1")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("expected a CUDA device; none is available: use --device cpu")
    if options.device.startswith("cuda") and options.clock == "cpu":
        parser.error("expected --clock wall with a CUDA device: the processor only waits for it")
    return options
