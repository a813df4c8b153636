"""Plain Q-learning with continuous actions: a critic, and a search in the place of an actor.

    y = r + γ (1 − d) max_a' Q⁻(s', a')

Q⁻ is a slow copy, or Q itself. How the maximum is found: :mod:`.maximisers`.

Differs from QT-Opt (Kalashnikov et al. 2018, arXiv:1806.10293) in:

1. The loss is δ², where theirs is a cross-entropy of values in [0, 1].
2. There is one slow copy, where theirs is the lesser of two, one of them lagged.
3. Batches come from one replay, while one environment or several act; theirs are distributed.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.continuous.behaviour_noise import noisy
from qdiverge.agents.continuous.maximisers import CrossEntropy, GradientAscent, Maximiser
from qdiverge.agents.continuous.networks import Critic
from qdiverge.agents.continuous.steps import adam
from qdiverge.agents.settings.continuous_config import QLearningConfig
from qdiverge.transitions import Transitions


class QLearning(ContinuousAgent):
    """A critic, with a slow copy or without.

    Args:
        critic: Q.
        action_size: k.
        config: The numbers.
    """

    def __init__(self, critic: Critic, action_size: int, config: QLearningConfig) -> None:
        super().__init__([critic], adam([critic], config.learning_rate), config, config.polyak)
        self.action_size, self.exploration_noise = action_size, config.exploration_noise
        self.maximise = make_maximiser(config)

    def explore(
        self, observations: NDArray[np.generic], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return clip(argmax_a Q(s, a) + σ ε, ±1)."""
        return noisy(self.act(observations), noise, self.exploration_noise)

    def best_actions(self, observations: Tensor) -> Tensor:
        """Return argmax_a Q(s, a)."""
        return self._best(self.critics[0], observations, self._noise)[0]

    def next_actions(self, observations: Tensor) -> Tensor:
        """Return argmax_a' Q⁻(s', a')."""
        return self._best(self._bootstrap, observations, None)[0]

    def following(self, batch: Transitions) -> Tensor:
        """Return max_a' Q⁻(s', a')."""
        return self._best(self._bootstrap, batch.next_observations, self._noise)[1]

    def improve(self, batch: Transitions) -> Mapping[str, float]:
        """Return nothing: the critic is all there is."""
        return {}

    def _best(
        self, critic: Critic, observations: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        return self.maximise(critic, observations, self.action_size, generator)


def make_maximiser(config: QLearningConfig) -> Maximiser:
    """Return the search that ``config`` names."""
    if config.maximiser == "cem":
        return CrossEntropy(config.cem_samples, config.cem_elites, config.cem_rounds)
    return GradientAscent(config.ascent_starts, config.ascent_rounds, config.ascent_step)
