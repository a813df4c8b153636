"""The study's cells, for ``python -m experiments sweep bottlenecks``."""

from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from experiments.bottlenecks.cell import DOMAINS, NETWORKS, STOPPINGS, WEIGHTINGS, Cell
from experiments.bottlenecks.fqi import projection_error, run_cell

SMALL = ("grid16_one_hot", "grid16_random", "cliffwalk", "sparse_graph", "pendulum")
FEW = ("grid16_one_hot", "grid16_random", "sparse_graph")
SMOOTHINGS = (0.01, 0.05, 0.1, 0.5, 1.0)


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the settings of every cell: the paper's grid, or one for a laptop."""
    return [asdict(cell) for cell in (full() if is_full else reduced())]


def reduced() -> list[Cell]:
    """Return five small domains, three seeds, 100 iterations."""
    return _studies(SMALL, FEW, (16, 64, 256), (16, 64, 256), ("64x64",), (0.1,))


def full() -> list[Cell]:
    """Return Fu et al.'s eight domains, five seeds, 300 iterations of up to 256 gradient steps."""
    everywhere, counts = tuple(DOMAINS), (4, 8, 16, 32, 64, 128, 256, 512)
    cells = _studies(
        everywhere, everywhere, counts, (16, 32, 64, 128, 256), ("tabular", "256x256"), (0.0, 0.1)
    )
    return [replace(cell, num_seeds=5, num_iterations=300) for cell in cells]


def _studies(
    domains: tuple[str, ...],
    few: tuple[str, ...],
    sample_counts: tuple[int, ...],
    step_counts: tuple[int, ...],
    networks: tuple[str, ...],
    temperatures: tuple[float, ...],
) -> list[Cell]:
    """Return the cells of every study, no two alike."""
    cells = [Cell("architectures", d, network=n) for d, n in product(domains, NETWORKS)]
    cells += [
        Cell("samples", d, network=networks[-1], algorithm=a, num_samples=n)
        for d, a, n in product(few, ("sampled", "replay"), sample_counts)
    ]
    cells += [
        Cell("steps", d, network=networks[-1], algorithm="replay", num_samples=32, gradient_steps=n)
        for d, n in product(few, step_counts)
    ]
    cells += [
        Cell("weightings", d, network=n, weighting=w, temperature=t)
        for d, n, w, t in product(few, networks, WEIGHTINGS, temperatures)
    ]
    cells += [
        Cell("smoothing", d, network=networks[-1], algorithm="replay", num_samples=32, smoothing=τ)
        for d, τ in product(few, SMOOTHINGS)
    ]
    cells += [
        Cell("stopping", d, network=networks[-1], algorithm="replay", num_samples=32,
             gradient_steps=200, stopping=s)
        for d, s in product(few, STOPPINGS)
    ]  # fmt: skip
    return list(dict.fromkeys(cells))


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the measures of one cell, seed by seed; nothing is kept in ``folder``."""
    cell = Cell(**config)
    seeds = run_cell(cell)
    if cell.study == "architectures":
        for seed, error in zip(seeds, projection_error(cell), strict=True):
            seed["projection_error"] = error
    return {"seeds": seeds}
