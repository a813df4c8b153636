"""The study's cells, for ``python -m experiments sweep audit``."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

from experiments.audit.bugs import BUGS, codes_of, leaves_no_trace
from experiments.audit.loops import LOSSES, OPTIMISERS, Loop
from experiments.audit.networks import ARCHITECTURES, CRITICS
from experiments.audit.real import OPERATORS, SUBJECTS, has, watch
from experiments.threads import one_thread
from qdiverge.td import BOOTSTRAPS
from qdiverge.update import audit

SOUND_SEED, BUG_SEED = 20_000, 10_000
BATCHES = (32, 128)


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return sound loops by architecture, bugs, each by batch size, real loops by operator."""
    num, num_sound, sizes = (200, 96, (32, 64, 128)) if is_full else (12, 48, BATCHES)
    sound = [
        {"kind": "sound", "subject": a, "num_rows": rows, "num": num_sound}
        for a, rows in product(ARCHITECTURES, sizes)
    ]
    bugs = [
        {"kind": "bug", "subject": bug, "num_rows": rows, "num": num}
        for bug, rows in product(BUGS, BATCHES)
    ]
    real = [
        {"kind": "real", "subject": subject, "operator": operator}
        for subject, operator in product(SUBJECTS, OPERATORS)
        if has(subject, operator)
    ]
    return [*real, *sound, *bugs]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what was found, and in how many instances."""
    with one_thread():
        if config["kind"] == "real":
            return watch(config["subject"], config["operator"])
        look = sound if config["kind"] == "sound" else planted
        return look(config["subject"], config["num_rows"], config["num"])


def sound(architecture: str, num_rows: int, num: int) -> dict[str, Any]:
    """Return how many sound loops of an architecture are called otherwise, or misread."""
    rules = ("target_q", "q") if architecture in CRITICS else BOOTSTRAPS
    kinds = list(product(LOSSES, rules, OPTIMISERS))
    residuals, nearness, false = [], [], 0
    for k in range(num):
        loss, rule, name = kinds[k % len(kinds)]
        loop = Loop(architecture, loss, rule, name, num_rows, seed=SOUND_SEED + k)
        loop.train().backward()
        seen = audit(loop.q_net, loop.shown, bootstrap=rule, **loop.options())
        residuals.append(seen.residual)
        nearness.append(seen.residual / seen.rounding)
        false += bool(seen.findings) or seen.bootstrap != rule
    return {
        "false": false, "looked_at": num, "largest_residual": max(residuals),
        "nearest_to_its_limit": max(nearness),
    }  # fmt: skip


def planted(name: str, num_rows: int, num: int) -> dict[str, Any]:
    """Return in how many of ``num`` random loops a bug is named, of those whose gradient it moves.

    Counted as wrong are codes that neither name it nor are as right.
    """
    bug = BUGS[name]
    kinds = [a for a in ARCHITECTURES if bug.critics or a not in CRITICS]
    named = silent = no_trace = 0
    wrong, missed = Counter[str](), []
    for seed in range(num):
        loss = list(LOSSES)[seed % 3]
        loop = Loop(kinds[seed % len(kinds)], loss, num_rows=num_rows, seed=BUG_SEED + seed)
        codes = set(codes_of(loop, bug))
        if leaves_no_trace(loop, bug):
            no_trace += 1
            continue
        is_named = bool(codes & set(bug.codes))
        named, silent = named + is_named, silent + (not codes)
        missed += [] if is_named else [f"{loop.architecture}, {loss}"]
        wrong.update(codes - set(bug.codes) - set(bug.beside))
    return {
        "named": named, "looked_at": num - no_trace, "no_trace": no_trace, "silent": silent,
        "also": dict(wrong), "missed": dict(Counter(missed)),
    }  # fmt: skip
