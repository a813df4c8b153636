"""What is watched once an epoch: at the right steps, the right episodes, and without a trace."""

import dataclasses

import numpy as np
import pytest
import torch

from qdiverge.agents.evaluation.held_out import HeldOut
from qdiverge.agents.records import EpisodeEnd, RunEnd, UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.cli.epochs import Epochs
from qdiverge.cli.watch_settings import Watching
from qdiverge.errors import InvalidValueError
from qdiverge.runs import RunLog, load_run

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=600,
    num_envs=2,
    learning_starts=50,
    buffer_size=1_000,
    batch_size=8,
    hidden_sizes=(16,),
    noisy=True,
    prioritized=True,
    clip_rewards=False,
)
PONG = DQNConfig(
    total_steps=100, num_envs=2, learning_starts=80, buffer_size=2_000, max_episode_frames=160
)


def run(config, folder=None, make_q_network=None, **options):
    """Train, with the epochs where a folder is given; the records, the weights, the log."""
    trainer = Trainer(config, log_period=1, make_q_network=make_q_network)
    if folder is None:
        return list(trainer.run()), trainer.q_network.state_dict(), None
    with RunLog(folder) as log:
        epochs, records = Epochs(trainer, log, **options), []
        for record in trainer.run():
            records.append(record)
            epochs.update(record)
    return records, trainer.q_network.state_dict(), load_run(folder).series


def without_clock(records):
    return [
        dataclasses.replace(r, steps_per_second=0.0) if isinstance(r, UpdateRecord) else r
        for r in records
    ]


@pytest.mark.parametrize(("config", "period"), [(CARTPOLE, 100), (PONG, 50)])
def test_watching_changes_no_bit_of_the_run(config, period, tmp_path):
    records, weights, _ = run(config)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    watched, same, series = run(config, tmp_path, period=period, evaluation_episodes=1)
    assert without_clock(watched) == without_clock(records)
    assert weights.keys() == same.keys()
    assert all(torch.equal(weights[key], same[key]) for key in weights)
    assert torch.equal(state[0], torch.get_rng_state())
    assert np.array_equal(state[1], np.random.get_state()[1])  # noqa: NPY002
    assert len(series["charts/evaluation_return"].steps) == -(-config.total_steps // period)


def test_every_episode_is_in_one_epoch_and_the_values_are_those_of_its_end(tmp_path):
    records, _, series = run(CARTPOLE, tmp_path, period=100)
    ends = [record for record in records if isinstance(record, EpisodeEnd)]
    held_out, returns = series["charts/held_out_q"], series["charts/epoch_return"]
    assert held_out.steps[0] == 0
    assert held_out.steps[-1] == 600
    assert [(step - 1) // 100 for step in held_out.steps[1:]] == [1, 2, 3, 4, 5, 5]
    assert len(np.unique(held_out.values)) == len(held_out.values)  # it learns
    for index, value in enumerate(returns.values):
        scores = [end.score for end in ends if (end.step - 1) // 100 == index]
        assert value == pytest.approx(np.mean(scores))
    assert "overestimation/bias" not in series


def test_a_run_that_is_taken_up_again_keeps_the_scores_of_its_epoch(tmp_path):
    trainer = Trainer(CARTPOLE)
    trainer.close()
    with RunLog(tmp_path) as log:
        for step, score in ((90, 1.0), (110, 2.0), (150, 4.0)):
            log.metrics(step, {"charts/episodic_return": score})
        log.metrics(102, {"charts/held_out_q": 0.0})  # at the end of the first epoch
        trainer.agent_step = 160  # as a checkpoint sets it
        epochs = Epochs(trainer, log, period=100)
        epochs.update(EpisodeEnd(200, 6.0, 6, 6, True))
        epochs.update(RunEnd(200, 0, "interrupted", ""))
        assert load_run(tmp_path).series["charts/held_out_q"].steps.tolist() == [102]
        epochs.update(EpisodeEnd(202, 8.0, 8, 8, True))
    series = load_run(tmp_path).series
    assert series["charts/epoch_return"].values.tolist() == [4.0]  # of 2, 4 and 6
    assert series["charts/held_out_q"].steps.tolist() == [102, 202]


def test_the_values_are_those_of_a_network_that_was_given(tmp_path):
    def make(shape, num_outputs):
        return torch.nn.Sequential(torch.nn.Linear(shape[0], num_outputs), torch.nn.Tanh())

    config = dataclasses.replace(CARTPOLE, noisy=False, hidden_sizes=DQNConfig.hidden_sizes)
    _, weights, series = run(config, tmp_path, make, period=300, evaluation_episodes=1)
    network, states = make((4,), 2), HeldOut(config).states
    network.load_state_dict(weights)
    with torch.no_grad():
        last = float(network(torch.from_numpy(states)).amax(1).mean())
    assert series["charts/held_out_q"].values[-1] == pytest.approx(last, rel=1e-5)
    assert (np.abs(series["overestimation/predicted"].values) <= 1).all()  # as tanh has it


def test_predicted_and_realised_are_logged_where_episodes_are_asked_for(tmp_path):
    _, _, series = run(CARTPOLE, tmp_path, period=300, evaluation_episodes=3)
    bias = series["overestimation/bias"].values
    predicted = series["overestimation/predicted"].values
    realised = series["overestimation/realised"].values
    assert bias == pytest.approx(predicted - realised)
    assert (realised > 5).all()  # a pole stands for a while whatever is done
    assert len(bias) == 2


def test_none_are_watched_at_period_0_and_numbers_out_of_range_are_refused(tmp_path):
    _, _, series = run(CARTPOLE, tmp_path / "none", period=0)
    assert not series
    with pytest.raises(InvalidValueError, match="epoch_period"):
        Watching(epoch_period=-1).check()
    with pytest.raises(InvalidValueError, match="evaluation_episodes"):
        Watching(evaluation_episodes=-1).check()
