"""The kernel benchmark: every method on the same network and inputs, in one process, in turn."""

import argparse
import dataclasses
import functools
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.speed import kernel_table, methods
from experiments.speed.cases import Case, cases
from experiments.speed.error import Reference
from experiments.speed.kernel_table import COLUMNS, MEASURED, NOT_INSTALLED
from experiments.speed.memory import Request, available_gigabytes, peak_megabytes
from experiments.speed.methods import OURS, Kernel, Method
from experiments.speed.operations import Operations, floor_operations, layers, num_parameters
from experiments.speed.options import parse, settings
from experiments.speed.record import made_by
from experiments.speed.rounds import MatrixProduct, Times, interleaved
from experiments.tables import Record
from qdiverge.runs.provenance import installed

MATRIX = "matrix product"
MEMORY_SHARE = 0.6  # of what is free: others may use the machine too


def main(arguments: list[str]) -> int:
    """Run the benchmark and write its table; return the exit status."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    chosen = methods.find(options.peers)
    matrix = MatrixProduct(options.device)
    seconds = interleaved(
        {MATRIX: matrix}, repeats=1, budget=5, turn=options.turn, device=options.device
    )
    rate = matrix.rate(min(seconds[MATRIX].seconds(options.clock)))
    kind = "cuda" if options.device.startswith("cuda") else "cpu"
    load = [os.getloadavg()]
    record: Record = {
        "provenance": made_by("kernel", arguments), "settings": settings(options), "load": load,
    }  # fmt: skip
    rows: list[Record] = []
    paths: list[Path] = []
    for case in cases(options.sizes, options.networks):
        print(f"{case.label} …", flush=True)
        measured, rate = measure(Task.of(case, options.device), chosen, options, rate)
        rows += measured
        print(kernel_table.text(finished(measured, rate)) + "\n", flush=True)
        load.append(os.getloadavg())
        record |= {
            "matrix_rate_gflops": round(rate, 1),
            "versions": installed(method.package for method in chosen),
        }
        paths = kernel_table.write(options.out, f"kernel-{kind}", finished(rows, rate), record)
    print(*paths, sep="\n")
    return 0


@dataclass(frozen=True)
class Task:
    """A case made ready to run.

    Attributes:
        case: What it was made from.
        inputs: Network, observations, actions.
        shape: R rows of the Jacobian (N, or N·A for all actions), P parameters.
        floor: The fewest operations.
    """

    case: Case
    inputs: tuple[nn.Module, Tensor, Tensor | str]
    shape: tuple[int, int]
    floor: Operations

    @staticmethod
    def of(case: Case, device: str) -> "Task":
        """Return the case, ready."""
        network, observations, actions = case.build(device)
        num_outputs = 1 if case.actions == "chosen" else network(observations[:1]).shape[1]
        floor = floor_operations(layers(network, observations[:1]), case.num, num_outputs)
        shape = case.num * num_outputs, num_parameters(network)
        return Task(case, (network, observations, actions), shape, floor)


def measure(
    task: Task, chosen: list[Method], options: argparse.Namespace, rate: float
) -> tuple[list[Record], float]:
    """Return the case's rows, and the best matrix rate seen, in GFLOP/s.

    Args:
        task: What to measure.
        chosen: The methods.
        options: The command line's.
        rate: The best matrix rate so far.
    """
    free = available_gigabytes(options.device)
    reasons = {m.name: why_not(m, task, rate, free, options.time_limit) for m in chosen}
    running = {m.name: m.load() for m in chosen if not reasons[m.name]}
    times, errors = run(task, running, options)
    rows = []
    for method in chosen:
        mine, reason = times.get(method.name), reasons[method.name]
        if mine is not None and mine.failure:
            reason = f"failed: {mine.failure}"
        row: Record = dict.fromkeys(COLUMNS) | {
            "case": task.case.label,
            **dataclasses.asdict(task.case),
            "method": method.name,
            "version": method.version,
            "status": reason or MEASURED,
            "calls": 0,
            "clock": "wall",
            "floor_gflop": 2e-9 * task.floor.total,
        }
        if mine is not None and not reason:
            seconds = mine.seconds(options.clock)
            request = Request(task.case, method.name, options.threads, options.device)
            timeout = 120 + 10 * min(mine.wall)
            row |= {
                "calls": len(seconds),
                "clock": options.clock,
                "least_ms": 1e3 * min(seconds),
                "median_ms": 1e3 * statistics.median(seconds),
                "peak_mb": None if options.no_memory else peak_megabytes(request, timeout),
                "error": errors[method.name],
            }
        rows.append(row)
    matrix = MatrixProduct(options.device)
    return rows, max(rate, matrix.rate(min(times[MATRIX].seconds(options.clock))))


def run(
    task: Task, running: dict[str, Kernel], options: argparse.Namespace
) -> tuple[dict[str, Times], dict[str, float]]:
    """Return each method's times, the matrix product's among them, and each one's error."""
    reference = Reference.of(*task.inputs)
    errors: dict[str, float] = {}

    def first(name: str) -> None:
        errors[name] = reference.relative_error(running[name](*task.inputs))

    rounds = functools.partial(interleaved, budget=options.budget, device=options.device)
    warm_up = rounds({name: functools.partial(first, name) for name in running}, repeats=1, turn=0)
    functions: dict[str, Callable[[], object]] = {
        name: functools.partial(kernel, *task.inputs)
        for name, kernel in running.items()
        if not warm_up[name].failure and min(warm_up[name].wall) <= options.budget
    }
    matrix = MatrixProduct(options.device)
    return warm_up | rounds(
        {MATRIX: matrix} | functions, repeats=options.repeats, turn=options.turn
    ), errors


def why_not(
    method: Method, task: Task, rate: float, free_gigabytes: float, time_limit: float
) -> str:
    """Return why a method is not run on a case: "" where nothing speaks against it."""
    if method.version is None:
        return NOT_INSTALLED
    needed = method.gigabytes(*task.shape)
    if needed > MEMORY_SHARE * free_gigabytes:
        share = f"{100 * MEMORY_SHARE:.0f} % of the {free_gigabytes:.1f} GB free"
        return f"skipped: needs about {needed:.1f} GB, more than {share}"
    seconds = 2e-9 * method.multiply_adds(task.floor, *task.shape) / rate
    if seconds > time_limit:
        return f"skipped: would take about {seconds:.0f} s, limit {time_limit:g} s"
    return ""


def finished(rows: list[Record], rate: float) -> list[Record]:
    """Return the rows with the ratios to ours and to the floor at ``rate`` GFLOP/s."""
    ours = {row["case"]: row["least_ms"] for row in rows if row["method"] == OURS}

    def ratios(row: Record) -> Record:
        least, mine = row["least_ms"], ours.get(row["case"])
        floor_ms = 1e3 * row["floor_gflop"] / rate
        return {
            "ratio": least / mine if least and mine else None,
            "times_floor": least / floor_ms if least else None,
            "floor_ms": floor_ms,
        }

    return [row | ratios(row) for row in rows]
