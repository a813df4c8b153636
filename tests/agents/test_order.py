"""The two orders of a turn, against loops written out by hand."""

import dataclasses

import pytest
import torch

from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig

CONFIG = DQNConfig(
    environment="CartPole-v1",
    hidden_sizes=(16,),
    total_steps=240,
    num_envs=4,
    learning_starts=40,
    train_period=2,
    batch_size=4,
    buffer_size=1_000,
    target_period=40,
    epsilon_start=0.05,
    learning_rate=0.1,  # so that updates change what is greedy: of 40 seeds, 57 actions or more
)


def weights_of(network):
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def by_hand(config, *, lags):
    """Step, store, learn; the next actions are chosen before the learning where it ``lags``."""
    trainer = Trainer(config)
    observations = trainer.environments.reset()
    trainer.replay.begin(observations)
    actions = trainer.behaviour.actions(observations, trainer.agent_step)
    while trainer.agent_step < config.total_steps:
        step = trainer.environments.step(actions)
        trainer.replay.append(
            actions, step.rewards, step.terminated, step.next_observations, step.ended,
            step.observations,
        )  # fmt: skip
        due = range(trainer.agent_step + 1, trainer.agent_step + 1 + config.num_envs)
        trainer.agent_step += config.num_envs
        if lags:
            actions = trainer.behaviour.actions(step.observations, trainer.agent_step)
        for number in due:
            trainer._learn(number)
        if not lags:
            actions = trainer.behaviour.actions(step.observations, trainer.agent_step)
    trainer.close()
    return trainer


@pytest.mark.parametrize("num_envs", [1, 4])
@pytest.mark.parametrize("overlap", [True, False])
def test_each_order_is_the_loop_written_out(overlap, num_envs):
    config = dataclasses.replace(CONFIG, overlap=overlap, num_envs=num_envs)
    trainer = Trainer(config)
    list(trainer.run())
    expected = by_hand(config, lags=overlap)
    assert trainer.num_updates == expected.num_updates == 100
    assert torch.equal(weights_of(trainer.q_network), weights_of(expected.q_network))
    assert (trainer.replay.actions == expected.replay.actions).all()
    other = by_hand(config, lags=not overlap)
    assert not torch.equal(weights_of(trainer.q_network), weights_of(other.q_network))


def test_both_orders_draw_from_the_same_transitions():
    """Where the actions do not depend on the weights, the two orders are one."""
    runs = []
    for overlap in (True, False):
        config = dataclasses.replace(CONFIG, overlap=overlap, epsilon_start=1.0, epsilon_end=1.0)
        runs.append(Trainer(config))
        list(runs[-1].run())
    assert torch.equal(weights_of(runs[0].q_network), weights_of(runs[1].q_network))
