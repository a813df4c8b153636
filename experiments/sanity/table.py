"""Print the sanity table: coloured on a terminal, plain lines otherwise."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.sanity.check import Check


def show(title: str, checks: Sequence[Check], seconds: float) -> None:
    """Print one section."""
    failed = sum(not check.passed for check in checks)
    if sys.stdout.isatty():
        _rich(title, checks, seconds)
        return
    print(f"{title} [{len(checks) - failed}/{len(checks)}, {seconds:.1f} s]")
    for check in checks:
        mark = "pass" if check.passed else "FAIL"
        bound = f" ({check.tolerance})" if check.tolerance else ""
        print(f"  {mark}  {check.what}: expected {check.expected}{bound}, got {check.measured}")


def show_summary(num_passed: int, num_failed: int, seconds: float) -> None:
    """Print the last line."""
    line = f"{num_passed} passed, {num_failed} failed, {seconds:.0f} s"
    if sys.stdout.isatty():
        Console().print(f"[bold {'red' if num_failed else 'green'}]{line}[/]")
    else:
        print(line)


def _rich(title: str, checks: Sequence[Check], seconds: float) -> None:
    table = Table(title=f"{title}  {seconds:.1f} s", title_justify="left", expand=True)
    table.add_column("check", ratio=5)
    for name in ("expected", "measured", "tolerance"):
        table.add_column(name, justify="right", ratio=2)
    table.add_column("")
    for check in checks:
        mark = "[green]✓[/]" if check.passed else "[bold red]✗[/]"
        cells = (check.what, check.expected, check.measured, check.tolerance)
        table.add_row(*map(escape, cells), mark)
    Console().print(table)
