"""The study's cells, for ``python -m experiments sweep deadly_triad``."""

from itertools import product
from pathlib import Path
from typing import Any, get_args

from experiments.deadly_triad.agents import SIZES, config_of
from experiments.tracing import rounded, trace
from qdiverge.td import Bootstrap

FACTORS: dict[str, tuple[Any, ...]] = {
    "bootstrap": get_args(Bootstrap),
    "n_step": (1, 3, 10),
    "priority": (0.0, 0.3, 0.6, 1.0),  # exponent; 0: uniform replay
    "size": tuple(SIZES),
}
BASE = {"bootstrap": "q", "n_step": 1, "priority": 0.0, "size": "M"}
GAMES = ("MinAtar/Asterix-v1", "MinAtar/SpaceInvaders-v1")
RATES = (0.2, 0.8)  # α of SGD under the Huber loss
ATARI = ("ALE/Pong-v5", "ALE/Breakout-v5", "ALE/Seaquest-v5", "ALE/BeamRider-v5")
NUM_SAMPLES, NUM_POINTS = 30, 15
BEYOND = 1e4  # max |Q| at which a run is stopped: it will not come back


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return one factor at a time on two MinAtar games; in full all combinations on Atari games."""
    settings = factorial() if is_full else one_at_a_time()
    games, rates = (ATARI, (None,)) if is_full else (GAMES, RATES)
    return [
        setting | {"environment": game, "learning_rate": rate, "seed": seed}
        for setting, game, rate, seed in product(settings, games, rates, range(3))
    ]


def one_at_a_time() -> list[dict[str, Any]]:
    """Return the base, and every setting that differs from it in one factor: 12 of 192.

    >>> len(one_at_a_time())
    12
    """
    return [
        BASE,
        *(
            BASE | {name: level}
            for name, levels in FACTORS.items()
            for level in levels
            if level != BASE[name]
        ),
    ]


def factorial() -> list[dict[str, Any]]:
    """Return every combination of levels, as in the paper."""
    return [dict(zip(FACTORS, levels, strict=True)) for levels in product(*FACTORS.values())]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train, and return how large |Q| became, against the bound, and when it passed it."""
    settings = config_of(config)
    bound = 1 / (1 - settings.discount)
    followed = trace(settings, NUM_SAMPLES, stop=lambda sample: not sample.q_abs_max < BEYOND)
    sizes = [sample.q_abs_max for sample in followed.samples]
    passed = [s.update for s in followed.samples if not s.q_abs_max <= bound]
    is_divergent = bool(passed) or followed.end == "divergence"
    scores = [score for _, score in followed.episodes]
    curve = followed.columns(NUM_POINTS)
    return {
        "soft_divergent": is_divergent,
        "passed_at": passed[0] if passed else None,  # update
        "max_abs_q": rounded(max(sizes)) if sizes else None,
        "bound": rounded(bound),
        "end": followed.end,
        "mean_score": rounded(sum(scores) / len(scores)) if scores else None,
        "step": curve["step"],
        "q_abs_max": curve["q_abs_max"],
        "cpu_seconds": followed.cpu_seconds,
    }
