"""The kernel benchmark: every method on the same network and inputs, in one process, in turn."""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics

import torch

from experiments.speed import methods, table
from experiments.speed.cases import Case, cases
from experiments.speed.error import Reference
from experiments.speed.memory import Request, available_gigabytes, peak_megabytes
from experiments.speed.methods import OURS, Method
from experiments.speed.operations import Operations, floor_operations, layers, num_parameters
from experiments.speed.options import parse, settings
from experiments.speed.rounds import MatrixProduct, interleaved
from experiments.speed.table import MEASURED, NOT_INSTALLED, Row
from qdiverge.runs.provenance import provenance

MATRIX = "matrix product"
MEMORY_SHARE = 0.6  # of what is free: others may use the machine too


def main(arguments: list[str]) -> int:
    """Run the benchmark and write its table; return the exit status."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    chosen = methods.find(options.peers)
    rows: list[Row] = []
    rate, paths = 0.0, []
    kind = "cuda" if options.device.startswith("cuda") else "cpu"
    record = {"provenance": provenance(), "settings": settings(options), "load": [os.getloadavg()]}
    for case in cases(options.sizes, options.networks):
        print(f"{case.label} …", flush=True)
        found, best = measure(case, chosen, options, rate)
        rate = max(rate, best)
        rows += found
        print(table.markdown(finished(found, rate)) + "\n", flush=True)
        record["load"].append(os.getloadavg())
        record |= {"matrix_rate_gflops": round(rate, 1), "versions": versions(chosen)}
        paths = table.write(options.out, f"kernel-{kind}", finished(rows, rate), record)
    print(*paths, sep="\n")
    return 0


def measure(
    case: Case, chosen: list[Method], options: argparse.Namespace, rate: float
) -> tuple[list[Row], float]:
    """Return the case's rows, and the best matrix rate seen, in GFLOP/s.

    Args:
        case: What to measure.
        chosen: The methods.
        options: The command line's.
        rate: The best matrix rate so far; 0: measure it first.
    """
    clock = options.clock
    network, observations, actions = case.build(options.device)
    num_outputs = 1 if case.actions == "chosen" else network(observations[:1]).shape[1]
    floor = floor_operations(layers(network, observations[:1]), case.num, num_outputs)
    shape = case.num * num_outputs, num_parameters(network)
    matrix = MatrixProduct(options.device)
    rate = rate or matrix.rate(
        min(interleaved({MATRIX: matrix}, repeats=5, budget=5)[MATRIX].seconds(clock))
    )
    reasons = {
        m.name: why_not(
            m, floor, shape, rate, available_gigabytes(options.device), options.time_limit
        )
        for m in chosen
    }
    running = {m.name: m.load() for m in chosen if not reasons[m.name]}
    reference = Reference.of(network, observations, actions)
    errors: dict[str, float] = {}

    def call(name: str) -> None:
        errors[name] = reference.relative_error(running[name](network, observations, actions))

    first = (
        interleaved(  # compiles and warms up; gives the errors; counted where it is the only one
            {name: lambda name=name: call(name) for name in running},
            repeats=1,
            budget=options.budget,
            device=options.device,
        )
    )
    functions = {
        name: lambda name=name: running[name](network, observations, actions)
        for name in running
        if not first[name].failure and min(first[name].wall) <= options.budget
    }
    times = first | interleaved(
        {MATRIX: matrix} | functions,
        repeats=options.repeats,
        budget=options.budget,
        device=options.device,
    )
    rate = max(rate, matrix.rate(min(times[MATRIX].seconds(clock))))
    rows = []
    for method in chosen:
        mine = times.get(method.name)
        failure = mine.failure if mine is not None else ""
        status = reasons[method.name] or (f"failed: {failure}" if failure else MEASURED)
        row = Row(
            case=case.label,
            network=case.network,
            num=case.num,
            actions=case.actions,
            method=method.name,
            version=method.version,
            status=status,
            floor_gflop=2e-9 * floor.total,
        )
        if status == MEASURED and mine is not None:
            timeout = 120 + 10 * min(mine.wall)
            request = Request(case, method.name, options.threads, options.device)
            row = dataclasses.replace(
                row,
                rounds=len(mine.wall),
                clock=clock,
                least_ms=1e3 * min(mine.seconds(clock)),
                median_ms=1e3 * statistics.median(mine.seconds(clock)),
                peak_mb=None if options.no_memory else peak_megabytes(request, timeout),
                error=errors[method.name],
            )
        rows.append(row)
    return rows, rate


def why_not(
    method: Method,
    floor: Operations,
    shape: tuple[int, int],
    rate: float,
    free_gigabytes: float,
    time_limit: float,
) -> str:
    """Return why a method is not run on a case: "" where nothing speaks against it."""
    if method.version is None:
        return NOT_INSTALLED
    needed = method.gigabytes(*shape)
    if needed > MEMORY_SHARE * free_gigabytes:
        return f"skipped: needs about {needed:.1f} GB, {free_gigabytes:.1f} GB free"
    seconds = 2e-9 * method.multiply_adds(floor, *shape) / rate
    if seconds > time_limit:
        return f"skipped: would take about {seconds:.0f} s, limit {time_limit:g} s"
    return ""


def finished(rows: list[Row], rate: float) -> list[Row]:
    """Return the rows with the ratios to ours and to the floor at ``rate`` GFLOP/s."""
    ours = {row.case: row.least_ms for row in rows if row.method == OURS}
    done = []
    for row in rows:
        floor_ms = 1e3 * (row.floor_gflop or 0.0) / rate
        least, mine = row.least_ms, ours.get(row.case)
        done.append(
            dataclasses.replace(
                row,
                floor_ms=floor_ms,
                ratio=least / mine if least and mine else None,
                times_floor=least / floor_ms if least else None,
            )
        )
    return done


def versions(chosen: list[Method]) -> dict[str, str]:
    """Return the versions of the packages that were compared."""
    return {m.package: m.version for m in chosen if m.version is not None}
