"""Run copies ahead on the data at hand, and watch their values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qdiverge.generators import same_generators, seed_torch
from qdiverge.rehearsal.batches import Batches
from qdiverge.rehearsal.casts import fresh_casts
from qdiverge.rehearsal.learner import Original
from qdiverge.rehearsal.speed import FastLearner
from qdiverge.rehearsal.stack import Stack, can_stack


@dataclass(frozen=True, eq=False)
class Ahead:
    """What became of one copy.

    Attributes:
        sizes: max|Q| after each of its updates, until it passed the limit.
        passed: The update of the run at which it did; None: it did not.
        error_before: mean |δ| at the start.
        error_after: At the end; NaN where the values left all bounds.
    """

    sizes: list[float]
    passed: int | None
    error_before: float
    error_after: float


def run_ahead(
    original: Original, batches: Batches, *, limit: float, num_updates: int, seed: int | None
) -> Ahead:
    """Train one copy until its values pass ``limit`` or so many of the run's updates are made.

    Args:
        original: What is copied; a copy of speed s makes ``num_updates``/s updates of its own.
        batches: What it learns from.
        limit: Of max|Q|.
        num_updates: Of the run.
        seed: Of the order of the batches, and of what an update draws; None: as the run would.
    """
    learner, probe = FastLearner(original), batches.probe()
    stream, sizes, passed = batches.stream(seed, is_alone=True), list[float](), None
    generators = (*batches.generators, *learner.reached.generators)
    kept = same_generators(batches.device, generators)
    with kept, fresh_casts(), torch.enable_grad():
        if seed is not None:
            seed_torch(seed, batches.device)
        with same_generators(batches.device):  # a policy may draw, and the run does not look
            before = learner.error(probe)
        for number in range(1, math.ceil(num_updates / original.speed) + 1):
            learner.learn(next(stream))
            sizes.append(learner.size(probe))
            if not sizes[-1] <= limit:
                passed = min(num_updates, round(number * original.speed))
                break
        after = learner.error(probe) if passed is None else math.nan
    return Ahead(sizes, passed, before, after)


def run_stacked(
    originals: Sequence[Original],
    batches: Batches,
    *,
    limit: float,
    num_updates: int,
    seeds: Sequence[int | None],
) -> list[Ahead]:
    """Train one copy for each original and seed, all in one computation where that can be.

    Args:
        originals: One for each copy: of the same networks, speed and loss.
        batches: What they learn from.
        limit: Of max|Q|.
        num_updates: Of the run.
        seeds: Of the order of each copy's batches.
    """
    probe = batches.probe()
    if len({(o.rule.loss, o.speed) for o in originals}) > 1 or not can_stack(originals[0], probe):
        return [
            run_ahead(original, batches, limit=limit, num_updates=num_updates, seed=seed)
            for original, seed in zip(originals, seeds, strict=True)
        ]
    streams = {seed: batches.stream(seed) for seed in seeds}
    sizes: list[list[float]] = [[] for _ in originals]
    passed: list[int | None] = [None] * len(originals)
    with same_generators(batches.device), fresh_casts(), torch.enable_grad():
        if seeds[0] is not None:
            seed_torch(seeds[0], batches.device)
        stack = Stack(originals)
        before = stack.errors(probe)
        for number in range(1, math.ceil(num_updates / originals[0].speed) + 1):
            drawn = {seed: next(stream) for seed, stream in streams.items()}
            stack.learn([drawn[seed] for seed in seeds])
            for c, size in enumerate(stack.sizes(probe)):
                if passed[c] is None:
                    sizes[c].append(size)
                    if not size <= limit:
                        passed[c] = min(num_updates, round(number * originals[0].speed))
            if None not in passed:
                break
        after = stack.errors(probe)
    return [
        Ahead(s, p, b, math.nan if p is not None else a)
        for s, p, b, a in zip(sizes, passed, before, after, strict=True)
    ]
