"""Every ground truth of the theory: expected, measured, tolerance, passed or failed."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.sanity import certificates, counterexamples, laboratory, random_control, rates
from experiments.sanity.check import Check
from experiments.sanity.table import show, show_summary
from experiments.threads import one_thread
from qdiverge.runs.whole import write_whole

SECTIONS: tuple[Callable[[], Iterator[Check]], ...] = (
    counterexamples.baird,
    counterexamples.baird_target_network,
    counterexamples.w_doubles,
    counterexamples.spiral,
    counterexamples.kolter_states,
    counterexamples.boyan,
    counterexamples.averagers,
    certificates.row_condition,
    certificates.exact_modulus,
    certificates.operators,
    certificates.equicorrelated,
    random_control.td_errors,
    rates.step_sizes,
    rates.averaged_target,
    rates.forecasts,
    laboratory.solvers,
    laboratory.soft_solvers,
    laboratory.tabular_learning,
    laboratory.overestimation,
    laboratory.linearised_networks,
)


def main(arguments: list[str]) -> int:
    """Run the checks and print the table.

    Returns:
        0 where everything passed, 1 where something failed, 2 on bad usage.
    """
    names = [section.__name__ for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="python -m experiments sanity", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="SECTION", help=", ".join(names))
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.only or []) - set(names))
    if unknown:
        print(f"expected sections out of {', '.join(names)}; got {unknown}.", file=sys.stderr)
        return 2
    began = time.perf_counter()
    table: list[dict[str, Any]] = []
    for section in SECTIONS:
        if options.only is None or section.__name__ in options.only:
            title = (section.__doc__ or "").strip().split("\n")[0]
            start = time.perf_counter()
            with one_thread():
                checks = list(run_section(section))
            show(title, checks, time.perf_counter() - start)
            table.append({"section": section.__name__, "checks": [vars(c) for c in checks]})
    results = [check["passed"] for part in table for check in part["checks"]]
    show_summary(results.count(True), results.count(False), time.perf_counter() - began)
    if options.json is not None:
        write_whole(options.json, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    return 0 if all(results) else 1


def run_section(section: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield the section's checks; an exception becomes a failed one, so the rest still runs."""
    try:
        for check in section():
            # numpy's booleans would not survive JSON
            yield replace(check, passed=bool(check.passed))
    except Exception as error:  # any failure is a result of this table
        yield Check("runs to its end", "yes", f"{type(error).__name__}: {error}", "", False)
