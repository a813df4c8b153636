"""The study's cells, for ``python -m experiments sweep init_kernel``."""

from itertools import product
from pathlib import Path
from typing import Any

from experiments.init_kernel.measure import STARTS, measure
from qdiverge.agents.networks.activations import ACTIVATIONS

WIDTHS, DEPTHS = (32, 64, 128, 256), (1, 2, 3, 4)
FULL_WIDTHS = (32, 64, 128, 256, 512, 1024)


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return width × depth × activation × start; the full grid has two more widths."""
    widths = FULL_WIDTHS if is_full else WIDTHS
    return [
        {"width": w, "depth": d, "activation": a, "start": start}
        for start, w, d, a in product(STARTS, widths, DEPTHS, ACTIVATIONS)
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return diagonal and row ratio, a number for each seed."""
    return measure(**config)
