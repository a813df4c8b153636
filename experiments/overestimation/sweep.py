"""The study's cells, for ``python -m experiments sweep overestimation``."""

from itertools import product
from pathlib import Path
from typing import Any

from experiments.overestimation.agents import config_of, follow
from experiments.overestimation.estimators import fits, noisy_estimates

NUM_ACTIONS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
FITS = (("sin", 6), ("bump", 6), ("bump", 9))
RULES = ("target_q", "double_q")
FULL_TASKS = ("CartPole-v1", "MinAtar/Asterix-v1", "MinAtar/SpaceInvaders-v1", "ALE/Asterix-v5")
NUM_LOOKS, FULL_LOOKS = 10, 40


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return estimates, fits, and DQN beside double DQN: CartPole; in full games and Atari."""
    tasks, seeds, looks = (
        (FULL_TASKS, 10, FULL_LOOKS) if is_full else (("CartPole-v1",), 3, NUM_LOOKS)
    )
    return [
        *({"kind": "estimates", "num_actions": m, "seed": 0} for m in NUM_ACTIONS),
        *({"kind": "fits", "function": f, "degree": d} for f, d in FITS),
        *(
            {"kind": "agent", "environment": t, "bootstrap": b, "seed": s, "num_looks": looks}
            for t, b, s in product(tasks, RULES, range(seeds))
        ),
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return one cell's numbers; of an agent the series along training."""
    given = {name: value for name, value in config.items() if name != "kind"}
    if config["kind"] == "estimates":
        return noisy_estimates(**given)
    if config["kind"] == "fits":
        return fits(**given)
    looks = given.pop("num_looks")
    return follow(config_of(**given), looks)
