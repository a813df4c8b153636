"""All parts of Rainbow together come to the optimal values of a chain."""

import gymnasium
import numpy as np
import torch

from qdiverge.agents.evaluation.environments import own_environments
from qdiverge.agents.evaluation.player import Player
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.mdp import MDP, as_environment

ON = [[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]] * 2, [[0.0, 0.0, 1.0]] * 2]
CHAIN = MDP(ON, [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]], 0.5)
gymnasium.register("Chain-v0", entry_point=lambda: as_environment(CHAIN, as_features=True))


def test_rainbow_reaches_the_optimal_values_of_a_chain():
    """s0 → s1 by action 1, then the end with 1; action 0 ends at once with 0; γ = 1/2.

    Nothing is random but what is drawn, three steps see the whole episode, and every return lies
    on an atom, so that every seed comes to (0, ½) and 1.
    """
    config = PRESETS["rainbow"].adapted(
        "task",
        environment="Chain-v0",
        total_steps=400,
        num_envs=1,
        buffer_size=1_000,
        learning_starts=100,
        train_period=1,
        target_period=20,
        discount=0.5,
        clip_rewards=False,
        value_min=0.0,
        value_max=1.0,
        hidden_sizes=(32,),
        learning_rate=1e-2,
    )
    parts = ("double", "dueling", "noisy", "prioritized", "distributional")
    assert all(getattr(config, part) for part in parts)
    assert config.n_step == 3
    trainer = Trainer(config)
    list(trainer.run())
    tasks = own_environments(config, 1, np.random.SeedSequence(0))
    quiet = Player(config, tasks, trainer.q_network.state_dict())
    values, actions = quiet.best(np.eye(3, dtype=np.float32)[:2])
    tasks.close()
    torch.testing.assert_close(values, torch.tensor([0.5, 1.0]), atol=0.05, rtol=0)
    assert actions[0] == 1
