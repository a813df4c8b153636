"""The cells of each study: a reduced grid for a laptop, and the full one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from experiments.bottlenecks.cell import DOMAINS, NETWORKS, STOPPINGS, WEIGHTINGS, Cell

SMALL = ("grid16_one_hot", "grid16_random", "cliffwalk", "sparse_graph", "pendulum")
FEW = ("grid16_one_hot", "grid16_random", "sparse_graph")
SMOOTHINGS = (0.01, 0.05, 0.1, 0.5, 1.0)


def reduced() -> list[Cell]:
    """Five small domains, three seeds, 100 iterations."""
    return _studies(SMALL, FEW, (16, 64, 256), (16, 64, 256), ("64x64",), (0.1,))


def full() -> list[Cell]:
    """Fu et al.'s eight domains, five seeds, 300 iterations of up to 256 gradient steps."""
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
