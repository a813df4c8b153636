"""The run loop: what it promises about counts, order, determinism, and every way to stop."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from qdiverge.agents.discrete import discrete_parts as parts_module
from qdiverge.agents.discrete.policies import EpsilonGreedy
from qdiverge.agents.records import EpisodeEnd, RunEnd, UpdateRecord
from qdiverge.agents.replay import frames as replay_module
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.schedule import linear_schedule
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from tests.chance import assert_drawn

SHORT = DQNConfig(
    total_steps=160,
    num_envs=2,  # an emulator takes .2 s to start
    learning_starts=80,
    buffer_size=2_000,
    batch_size=4,
    target_period=40,
    exploration_steps=100,
    max_episode_frames=160,  # 40 agent steps: episodes end within the run
)

ENDS = ("terminated", "life_lost")


def short(**options):
    return SHORT.adapted(**options)


def outcome(config, **options):
    trainer = Trainer(config, log_period=1, **options)
    records = list(trainer.run())
    return trainer, records


def of(kind, records):
    return [record for record in records if isinstance(record, kind)]


def without_clock(records):
    return [
        dataclasses.replace(r, steps_per_second=0.0) if isinstance(r, UpdateRecord) else r
        for r in records
    ]


def test_two_runs_with_one_seed_are_bit_identical_and_another_seed_differs():
    first, records = outcome(SHORT)
    second, again = outcome(SHORT)
    assert without_clock(records) == without_clock(again)
    pairs = zip(first.q_network.parameters(), second.q_network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    other, _ = outcome(short(seed=2))
    assert not torch.equal(first.q_network.layers[0].weight, other.q_network.layers[0].weight)


def test_a_run_leaves_the_global_generators_and_the_thread_count_alone():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    seen = []
    outcome(
        short(total_steps=100), transform_batch=lambda b: seen.append(torch.get_num_threads()) or b
    )
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("num_envs", "train_period", "updates"), [(1, 8, 10), (5, 10, 8), (4, 2, 40)]
)
def test_one_update_for_every_train_period_whatever_the_number_of_environments(
    num_envs, train_period, updates
):
    trainer, records = outcome(short(num_envs=num_envs, train_period=train_period))
    assert trainer.num_updates == updates  # (160 − 80) / train_period
    assert [record.update for record in of(UpdateRecord, records)] == list(range(1, updates + 1))
    assert trainer.agent_step == 160
    assert records[-1].reason == "total_steps"


def test_every_environment_is_in_the_replay_in_order():
    trainer, records = outcome(short(num_envs=4, learning_starts=10_000))
    ends = of(EpisodeEnd, records)
    assert [end.length for end in ends] == [40] * 4  # 160 steps in 4 environments of 40 each
    assert not any(end.terminated for end in ends)
    assert all(160 <= end.frames < 160 + 30 for end in ends)
    assert trainer.replay.filled.tolist() == [42] * 4  # 40 steps, the last frame, the new first
    assert trainer.num_updates == 0


def test_the_target_is_copied_every_target_period_and_is_otherwise_still():
    changes = []

    def watch(batch):
        weights = next(trainer.target_network.parameters())
        if not changes or not torch.equal(changes[-1][1], weights):
            changes.append((trainer.num_updates, weights.detach().clone()))
        return batch

    trainer = Trainer(SHORT, transform_batch=watch)
    list(trainer.run())
    # updates at agent steps 84, 88, ... 160; copies after those at 120 and 160
    assert [updates_before for updates_before, _ in changes] == [0, 10]
    pairs = zip(trainer.q_network.parameters(), trainer.target_network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_learner_is_given_what_transform_batch_returns():
    def poison(batch):
        return dataclasses.replace(batch, rewards=batch.rewards + 1_000.0)

    _, records = outcome(short(total_steps=84), transform_batch=poison)
    (update,) = of(UpdateRecord, records)
    assert update.td_abs_mean == pytest.approx(1_000.0, rel=0.01)


@pytest.mark.parametrize("clip", [True, False])
def test_rewards_are_clipped_for_the_learner_and_raw_in_the_replay(clip, monkeypatch):
    seen = set()

    def watch(batch):
        seen.update(batch.rewards.tolist())
        return batch

    trainer = Trainer(short(clip_rewards=clip), transform_batch=watch)
    receive, sevens = trainer.environments.recv, np.full(2, 7.0, np.float32)
    monkeypatch.setattr(
        trainer.environments, "recv", lambda: dataclasses.replace(receive(), rewards=sevens)
    )
    list(trainer.run())
    assert seen == {1.0 if clip else 7.0}
    assert trainer.replay.rewards.max() == 7.0


@pytest.mark.parametrize("terminal", [True, False])
def test_a_lost_life_bootstraps_nothing_only_where_that_is_asked_for(terminal, monkeypatch):
    config = short(
        environment="Breakout",
        num_envs=4,
        terminal_on_life_loss=terminal,
        total_steps=800,
        learning_starts=10_000,
        max_episode_frames=108_000,
    )
    trainer, steps = Trainer(config), []
    receive = trainer.environments.recv
    monkeypatch.setattr(trainer.environments, "recv", lambda: steps.append(receive()) or steps[-1])
    list(trainer.run())
    games, lives = (sum(int(getattr(s, name).sum()) for s in steps) for name in ENDS)
    assert lives > 0  # of 48 random games, 2.5 ± 1.1 lives were lost in 100 steps
    assert trainer.replay.terminated.sum() == games + (lives if terminal else 0)


@pytest.mark.parametrize("use_target_network", [True, False])
def test_divergence_is_a_result_that_names_its_step(use_target_network):
    def explode(batch):
        value = math.nan if trainer.num_updates == 3 else 1e30
        return dataclasses.replace(batch, rewards=torch.full_like(batch.rewards, value))

    trainer = Trainer(
        short(use_target_network=use_target_network), transform_batch=explode, log_period=1
    )
    records = list(trainer.run())
    end = records[-1]
    assert (end.reason, end.update) == ("divergence", 4)
    assert "nan" in end.detail
    assert f"agent step {end.step}" in end.detail
    assert len(of(UpdateRecord, records)) == 3  # large finite values went on
    assert all(bool(weight.isfinite().all()) for weight in trainer.q_network.parameters())
    assert not hasattr(trainer.environments, "_emulators")


def test_closing_the_generator_or_an_error_in_its_reader_stops_the_emulators():
    trainer = Trainer(SHORT, log_period=1)
    progress = trainer.run()
    next(progress)
    progress.close()
    assert not hasattr(trainer.environments, "_emulators")
    with pytest.raises(InvalidValueError, match="runs once"):
        next(trainer.run())


def test_ctrl_c_in_an_update_stops_the_emulators_and_restores_the_threads():
    threads = torch.get_num_threads()

    def interrupt(batch):
        raise KeyboardInterrupt

    trainer = Trainer(SHORT, transform_batch=interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(trainer.run())
    assert not hasattr(trainer.environments, "_emulators")
    assert torch.get_num_threads() == threads
    assert trainer.agent_step == 84 - 84 % 2


def test_a_deadline_ends_the_run():
    trainer, records = outcome(SHORT, deadline_seconds=1e-9)
    assert records == [RunEnd(0, 0, "deadline", records[-1].detail)]
    assert trainer.num_updates == 0


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_every_optimizer_runs_without_a_target_network(optimizer):
    trainer, records = outcome(
        short(optimizer=optimizer, use_target_network=False, total_steps=100, loss="mse")
    )
    assert trainer.target_network is None
    assert records[-1].update == 5
    assert all(math.isfinite(update.loss) for update in of(UpdateRecord, records))


def test_refusals_come_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(parts_module, "AtariEnvironments", lambda *_, **__: pytest.fail("made"))
    monkeypatch.setattr(replay_module, "available_memory", lambda: 10**9)
    with pytest.raises(InvalidValueError, match="buffer_size to 120,000"):
        Trainer(short(buffer_size=1_000_000))
    monkeypatch.undo()
    with pytest.raises(InvalidValueError, match="ALE/Pong-v5"):
        Trainer(short(environment="ALE/Pnog-v5"))
    with pytest.raises(InvalidValueError, match="deadline_seconds"):
        Trainer(SHORT, deadline_seconds=-1.0)
    with pytest.raises(InvalidValueError, match="log_period"):
        Trainer(SHORT, log_period=0)


def test_epsilon_falls_linearly_and_is_one_before_learning_starts():
    trainer = Trainer(short(epsilon_start=0.9, epsilon_end=0.1, exploration_steps=100))
    trainer.agent_step = 79
    assert trainer.epsilon == 1.0
    trainer.agent_step = 80
    assert trainer.epsilon == pytest.approx(0.9 - 0.8 * 0.8)
    trainer.agent_step = 10_000
    assert trainer.epsilon == pytest.approx(0.1)
    trainer.close()
    assert linear_schedule(0, 1.0, 0.1, duration=0) == 0.1


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_is_the_share_of_uniform_actions(epsilon):
    actions = EpsilonGreedy(num_actions=5, seed=0).explore(20_000, epsilon)
    assert_drawn(np.bincount(actions + 1, minlength=6), [1 - epsilon, *[epsilon / 5] * 5])
