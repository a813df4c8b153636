"""All parts of Rainbow together learn, on a task small enough to see it."""

import pytest

from qdiverge.agents.loop import Trainer
from qdiverge.agents.records import EpisodeEnd
from qdiverge.agents.settings.presets import PRESETS


@pytest.mark.slow
def test_rainbow_balances_the_pole_for_longer_and_longer():
    """Play at random lasts 22 steps. The last five of seeds 1 to 4: 108, 91, 104 and 112."""
    config = PRESETS["rainbow"].adapted(
        "task",
        environment="CartPole-v1",
        total_steps=2_500,
        num_envs=1,
        buffer_size=2_500,
        learning_starts=300,
        train_period=2,
        target_period=50,
        clip_rewards=False,
        value_min=0.0,
        value_max=100.0,  # 1/(1−γ)
        hidden_sizes=(64,),
        learning_rate=2e-3,
    )
    scores = [end.score for end in Trainer(config).run() if isinstance(end, EpisodeEnd)]
    assert sum(scores[:5]) / 5 < 40
    assert sum(scores[-5:]) / 5 > 60
