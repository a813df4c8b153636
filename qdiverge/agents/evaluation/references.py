"""What random play, a human and the DQN of the Nature paper score, and where a score stands."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

SOURCE = (
    "Mnih et al. (2015), doi:10.1038/nature14236, Extended Data Table 2: random play at 10 Hz, a "
    "professional human games tester, and DQN"
)


@dataclass(frozen=True)
class Reference:
    """The published scores of one game.

    Args:
        random: A uniformly random agent acting at 10 Hz.
        human: A professional human games tester.
        dqn: DQN after 50 million agent steps.
    """

    random: float
    human: float
    dqn: float


@cache
def references() -> dict[str, Reference]:
    """Return the 49 games of the Nature paper, by ROM name.

    Returns:
        ROM name → published scores.

    >>> len(references()), references()["pong"]
    (49, Reference(random=-20.7, human=9.3, dqn=18.9))
    """
    text = resources.files(__package__).joinpath("nature_scores.json").read_text(encoding="utf-8")
    return {game: Reference(*map(float, row)) for game, row in json.loads(text)["games"].items()}


def human_normalised(score: float, reference: Reference) -> float:
    """Return where a score stands between random play and a human, in per cent.

        100 (score − random) / (human − random)

    Source: Mnih et al. (2015), Figure 3 and Extended Data Table 2.

    Args:
        score: Mean raw score.
        reference: The game's published scores.

    Returns:
        0 for random play, 100 for the human.

    >>> round(human_normalised(18.9, references()["pong"]), 9)  # 100 · 39.6 / 30
    132.0
    """
    return 100.0 * (score - reference.random) / (reference.human - reference.random)
