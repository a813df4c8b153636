"""The fixed states on which the Nature study watched the values: mean of max_a Q over them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.evaluation.environments import own_environments
from qdiverge.agents.evaluation.player import Player
from qdiverge.agents.evaluation.playing import RandomPolicy, explorer_of
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.settings.agent_config import AgentConfig

NUM_STATES = 500  # valid_size of the paper's published code; the paper itself gives no number
STATE_PERIOD = 5  # agent steps between two of them, so that they differ
NUM_ENVS = 8
HELD_OUT = 100  # keeps their seeds apart from those of training


class HeldOut:
    """Held-out states of a run, and the mean of max_a Q over them.

        (1/S) Σ_s max_a Q(s, a)

    Source: Mnih et al. (2015), Figure 2 c and d, where it is a smoother sign of learning than the
    score. The states come from uniformly random play before anything is learnt, in environments of
    their own with seeds of their own, and the values from a network of its own: the run does not
    notice.

    Args:
        config: The run's; the states are a function of it.
        num_states: S; None: 500, and fewer where a run is shorter than 20,000 agent steps.
        make_q_network: The trainer's, where it had one.

    Raises:
        InvalidValueError: the environment is unknown.
        MissingExtraError: gymnasium or ale-py is not installed.

    Attributes:
        states: [S, ...].
    """

    def __init__(
        self,
        config: AgentConfig,
        num_states: int | None = None,
        make_q_network: MakeNetwork | None = None,
    ) -> None:
        games, actions = np.random.SeedSequence(config.seed, spawn_key=(HELD_OUT,)).spawn(2)
        if num_states is None:
            num_states = min(NUM_STATES, max(NUM_ENVS, config.total_steps // 40))
        environments = own_environments(config, NUM_ENVS, games)
        try:
            self.states = _states_of_random_play(environments, num_states, actions)
            self._player = Player(config, environments, None, make_q_network)
        finally:
            environments.close()

    def mean_value(self, weights: Mapping[str, Tensor]) -> float:
        """Return the mean of max_a Q over the states; with an actor, of Q(s, μ(s)).

        Args:
            weights: What the run's agent plays with.

        Returns:
            In the learner's units of reward; NaN or infinite where the values are.
        """
        self._player.load(weights)
        values, _ = self._player.best(self.states)
        return float(values.double().mean())


def _states_of_random_play(
    environments: Environments, num_states: int, seed: np.random.SeedSequence
) -> NDArray[Any]:
    """Return every fifth state of every environment, the first ones left out."""
    policy = RandomPolicy(explorer_of(environments, seed))
    everybody = np.ones(environments.num_envs, dtype=np.bool_)
    states: list[NDArray[Any]] = []
    observations = environments.reset()
    while len(states) * len(everybody) < num_states:
        for _ in range(STATE_PERIOD):
            actions, _ = policy.act(observations, everybody)
            observations = environments.step(actions).observations
        states.append(observations)
    return np.concatenate(states)[:num_states]
