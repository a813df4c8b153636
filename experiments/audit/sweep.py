"""The study's cells, for ``python -m experiments sweep audit``."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

from experiments.audit.bugs import BUGS, codes_of
from experiments.audit.loops import LOSSES, OPTIMISERS, Loop
from experiments.audit.networks import ARCHITECTURES, CRITICS
from experiments.audit.real import OPERATORS, SUBJECTS, watch
from experiments.threads import one_thread
from qdiverge.td import BOOTSTRAPS
from qdiverge.update import audit


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return sound loops by architecture, bugs by batch size, real loops by operator."""
    num, batches = (200, (32, 128)) if is_full else (12, (32,))
    sound = [{"kind": "sound", "subject": a, "num_rows": 32, "num": 48} for a in ARCHITECTURES]
    bugs = [
        {"kind": "bug", "subject": bug, "num_rows": rows, "num": num}
        for bug, rows in product(BUGS, batches)
    ]
    real = [
        {"kind": "real", "subject": subject, "operator": operator}
        for subject, operator in product(SUBJECTS, OPERATORS)
    ]
    return [*real, *sound, *bugs]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what was found, and in how many instances."""
    with one_thread():
        if config["kind"] == "real":
            return watch(config["subject"], config["operator"])
        if config["kind"] == "sound":
            return sound(config["subject"], config["num_rows"])
        return planted(config["subject"], config["num_rows"], config["num"])


def sound(architecture: str, num_rows: int) -> dict[str, Any]:
    """Return how many sound loops of an architecture are called so."""
    rules = ("target_q", "q") if architecture in CRITICS else BOOTSTRAPS
    residuals, false = [], 0
    for seed, (loss, rule, name) in enumerate(product(LOSSES, rules, OPTIMISERS)):
        loop = Loop(architecture, loss, rule, name, num_rows, seed=seed).train().backward()
        seen = audit(loop.q_net, loop.shown, bootstrap=rule, **loop.options())
        residuals.append(seen.residual)
        false += bool(seen.findings) or seen.bootstrap != rule
    return {"false": false, "looked_at": len(residuals), "largest_residual": max(residuals)}


def planted(name: str, num_rows: int, num: int) -> dict[str, Any]:
    """Return in how many of ``num`` random loops a bug is named."""
    bug = BUGS[name]
    kinds = [a for a in ARCHITECTURES if bug.critics or a not in CRITICS]
    named, also = 0, Counter[str]()
    for seed in range(num):
        loss = list(LOSSES)[seed % 3]
        loop = Loop(kinds[seed % len(kinds)], loss, num_rows=num_rows, seed=10_000 + seed)
        codes = set(codes_of(loop, bug))
        named += bool(codes & set(bug.codes))
        also.update(codes - set(bug.codes) or ({"nothing"} if not codes else ()))
    return {"named": named, "looked_at": num, "also": dict(also)}
