"""A run that goes on from a checkpoint is the run that was never stopped, bit for bit."""

import contextlib
import dataclasses
import errno
import os
import pickle
import resource
import shutil
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.checkpoints.run_generators import (
    dump_generators,
    find_generators,
    load_generators,
)
from qdiverge.agents.checkpoints.segments import load_replay
from qdiverge.agents.checkpoints.tensors import dump_optimizer, load_optimizer, optimizer_groups
from qdiverge.agents.records import Barrier, EpisodeEnd, UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.saved_agent import load_agent
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import CheckpointError
from tests.agents.continuous.tasks import AGENTS
from tests.agents.running import records_of
from tests.disks import small_disk

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=600,
    num_envs=2,
    learning_starts=40,
    buffer_size=150,  # it goes round several times
    batch_size=8,
    target_period=64,
    hidden_sizes=(16, 16),
    checkpoint_period=100,
)
PARTS = {"prioritized": True, "n_step": 3, "noisy": True, "dueling": True, "layer_norm": True}
VARIANTS = {
    "everything": dataclasses.replace(CARTPOLE, **PARTS),
    "strict, period beyond the replay": dataclasses.replace(
        CARTPOLE, overlap=False, num_envs=3, checkpoint_period=190, optimizer="nature_rmsprop"
    ),
    "one step for each barrier": dataclasses.replace(
        CARTPOLE, checkpoint_period=2, total_steps=60, prioritized=True
    ),
    "PreQN": dataclasses.replace(CARTPOLE, total_steps=250, update="preqn"),
    "MinAtar": dataclasses.replace(
        CARTPOLE,
        environment="MinAtar/Breakout-v1",
        n_step=2,
        hidden_sizes=DQNConfig.hidden_sizes,
        distributional=True,
        exploration="boltzmann",
    ),
    "Pong": DQNConfig(
        total_steps=120,
        num_envs=2,
        learning_starts=40,
        buffer_size=60,
        batch_size=4,
        max_episode_frames=160,
        checkpoint_period=48,
        prioritized=True,
    ),
    **AGENTS,
}


def everything(trainer):
    """All that a run consists of, as comparable values."""
    agent, replay = trainer.agent, trainer.replay
    state = {
        f"{role}.{name}": tensor
        for role, network in agent.networks.items()
        for name, tensor in network.state_dict().items()
    }
    for optimizer in agent.optimizers:
        for name, parameter in agent.parameters.items():
            moments = optimizer.state.get(parameter, {})
            state |= {f"{key}/{name}": value for key, value in moments.items()}
    for name, array in vars(replay).items():
        if isinstance(array, np.ndarray):
            state[f"replay.{name}"] = torch.from_numpy(np.nan_to_num(array, nan=-9.0))
    if replay.priorities is not None:
        state["tree"] = torch.from_numpy(replay.priorities.tree.nodes)
        state["largest"] = torch.tensor(replay.priorities.largest)
    counters = trainer.agent_step, trainer.num_updates, trainer.steps_learnt, trainer.num_restarts
    return state, counters, dump_generators(trainer)


def assert_same(ours, theirs):
    (tensors, *rest), (expected, *expected_rest) = everything(ours), everything(theirs)
    assert rest == expected_rest
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensors[name], tensor), name


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_from_any_checkpoint_the_run_goes_on_as_if_never_stopped(config, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=100)
    whole = Trainer(config, log_period=1)
    records = records_of(whole, checkpoints)
    untouched = Trainer(config, log_period=1)
    assert records_of(untouched) == records  # saving changes nothing
    assert_same(untouched, whole)
    steps = checkpoints.store.steps()
    assert len(steps) >= 2
    for step in sorted({steps[0], steps[len(steps) // 2], steps[-1]}):
        resumed = Trainer(config, log_period=1)
        again = Checkpoints(tmp_path / "again", keep=100)
        again.store = checkpoints.store
        again.store.verify(step)
        again.restore(resumed, step)
        after = next(i for i, r in enumerate(records) if isinstance(r, Barrier) and r.step == step)
        assert records_of(resumed, again) == records[after + 1 :]
        assert_same(resumed, whole)


def test_a_barrier_starts_other_episodes_and_drops_those_under_way(monkeypatch):
    trainer = Trainer(dataclasses.replace(CARTPOLE, learning_starts=1_000, buffer_size=2_000))
    begun = []
    reset = trainer.environments.reset
    monkeypatch.setattr(
        trainer.environments, "reset", lambda r: begun.append(reset(r)) or begun[-1]
    )
    ends = [record for record in trainer.run() if isinstance(record, EpisodeEnd)]
    assert len(begun) == 6
    assert len(np.unique(np.concatenate(begun), axis=0)) == 12  # no environment begins twice alike
    assert sum(end.length for end in ends) < 600
    replay = trainer.replay  # all 600 steps are in it; 5 barriers and the end cut off no game's end
    has_action = replay.actions != 255
    assert has_action.sum() == 600
    assert replay.terminated.sum() == len(ends)
    cut = ~has_action[:, :-1] & has_action[:, 1:] & (replay.depth[:, :-1] > 0)
    assert len(ends) <= cut.sum() <= len(ends) + 10


def test_a_checkpoint_costs_what_is_new_and_shares_the_rest(tmp_path):
    config = dataclasses.replace(
        CARTPOLE,
        environment="Acrobot-v1",  # no episode ends so soon
        buffer_size=600,
        total_steps=480,
        learning_starts=1_000,
        checkpoint_period=48,
    )
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(config), checkpoints)
    newest = checkpoints.store.path(432)
    segments = sorted(newest.glob("replay-*.npy"))
    slots = [np.load(path, mmap_mode="r").shape[0] for path in segments]
    # 24 steps and a restart in each of 2 rings, beginning with the last one's newest slot
    assert slots == [50] + [52] * 8
    assert [path.stat().st_nlink for path in segments] == [2] * 8 + [1]  # of the two that are kept
    records_of(
        Trainer(dataclasses.replace(config, buffer_size=150)), Checkpoints(tmp_path / "small")
    )
    small = sorted((tmp_path / "small").glob("checkpoints/432/replay-*.npy"))
    assert len(small) == 3  # of 75 slots a ring, each 3 periods of 25


def flip(path, rng):
    """Flip one bit of a file, for every name that it has; return what it held."""
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(flipped)
    return content


def intact(store):
    """The checkpoints that verify."""
    whole = []
    for step in store.steps():
        with contextlib.suppress(CheckpointError):
            store.verify(step)
            whole.append(step)
    return whole


def test_a_flipped_bit_in_any_file_loses_one_checkpoint_at_most_and_is_said(tmp_path):
    config = VARIANTS["everything"]
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(config), checkpoints)
    store, rng = checkpoints.store, np.random.default_rng(0)
    names = {path.name for path in store.path(500).iterdir()}
    assert {"priorities.npy", "weights.safetensors", "manifest.json", "state.json"} < names
    for path in sorted(store.path(500).iterdir()):
        if path.name.startswith("replay-"):
            continue
        content = flip(path, rng)
        with pytest.warns(UserWarning, match=path.name):
            assert checkpoints.newest() == 400
        assert intact(store) == [400]
        path.write_bytes(content)
    shared = [path for path in sorted(store.path(500).glob("replay-*")) if path.stat().st_nlink > 1]
    assert shared
    for path in sorted(store.path(500).glob("replay-*")):
        for _ in range(20):  # once it is mended, it is shared no more
            content = flip(path, rng)
            with pytest.warns(UserWarning, match=f"500 was damaged and is mended: {path.name}"):
                assert checkpoints.newest() == 500
            assert path.read_bytes() == content
            assert intact(store) == [400, 500]
            if (store.path(400) / path.name).exists():
                path.unlink()
                os.link(store.path(400) / path.name, path)


def test_what_cannot_be_mended_loses_its_checkpoints_and_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(VARIANTS["everything"]), checkpoints)
    for path in checkpoints.store.path(400).iterdir():  # shared: both are damaged
        if path.name.startswith("replay-"):
            path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"replay-0.*replay-0"):
        checkpoints.newest()
    assert load_agent(tmp_path).step == 500


def test_what_a_kill_left_half_renamed_is_gone_on_from(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(CARTPOLE), checkpoints)
    checkpoints.store.path(500).rename(checkpoints.store.folder / ".500.old")
    shutil.copytree(checkpoints.store.path(400), checkpoints.store.folder / ".500.tmp")
    assert checkpoints.newest() == 500
    assert intact(checkpoints.store) == [400, 500]
    assert not list(checkpoints.store.folder.glob(".*"))


def test_where_it_was_interrupted_comes_second_to_a_barrier(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    trainer = Trainer(CARTPOLE, log_period=1)  # so that a record comes before the next barrier
    for record in trainer.run():
        if isinstance(record, Barrier):
            assert record.step % 100 == 0
            checkpoints.save(trainer)
        elif trainer.agent_step >= 250:
            trainer.stop()
    assert record.reason == "interrupted"
    assert checkpoints.save(trainer, ended=record.reason)
    assert checkpoints.store.steps() == [100, 200, trainer.agent_step]
    assert checkpoints.newest() == 200
    assert checkpoints.newest(from_end=True) == trainer.agent_step
    assert load_agent(tmp_path).step == trainer.agent_step
    for step in (100, 200):
        checkpoints.store.remove(step)
    assert checkpoints.newest() == trainer.agent_step
    on = Trainer(CARTPOLE)
    Checkpoints(tmp_path).restore(on, trainer.agent_step)
    assert records_of(on)[-1].step == 600


def test_what_ended_a_run_does_not_push_its_barriers_out(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    trainer = Trainer(CARTPOLE)
    records_of(trainer, checkpoints)
    assert checkpoints.store.steps() == [400, 500]
    for step in (610, 620, 630):
        trainer.agent_step = step
        checkpoints.save(trainer, ended="deadline")
    assert checkpoints.store.steps() == [400, 500, 620, 630]


def test_what_is_newer_than_where_a_run_goes_on_is_forgotten_and_nothing_else(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=4)
    records_of(Trainer(CARTPOLE), checkpoints)
    assert checkpoints.store.steps() == [200, 300, 400, 500]
    checkpoints.forget_after(300)
    assert checkpoints.store.steps() == [200, 300]
    assert checkpoints.newest() == 300


def test_where_a_run_goes_on_nothing_is_written_again(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(CARTPOLE), checkpoints)
    before = checkpoints.store.path(500).stat().st_ino
    resumed, again = Trainer(CARTPOLE), Checkpoints(tmp_path)
    again.restore(resumed, 500)
    assert again.save(resumed)
    assert checkpoints.store.path(500).stat().st_ino == before


def test_a_replay_is_loaded_without_running_code_that_lies_in_it(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(CARTPOLE), checkpoints)
    folder, saved = checkpoints.store.path(500), checkpoints.state(500).replay
    (folder / saved["segments"][-1]["name"]).write_bytes(pickle.dumps(Fraction(1, 2)))
    with pytest.raises(ValueError, match="must be as it was written"):
        load_replay(Trainer(CARTPOLE).replay, folder, saved, {})


def test_without_a_period_there_is_no_barrier_and_no_replay(tmp_path):
    config = dataclasses.replace(CARTPOLE, checkpoint_period=None)
    trainer = Trainer(config)
    assert not any(isinstance(record, Barrier) for record in trainer.run())
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.save(trainer, ended="total_steps")
    assert not list(tmp_path.glob("checkpoints/*/*.npy"))
    with pytest.raises(CheckpointError, match="--checkpoint-period"):
        checkpoints.restore(Trainer(config), 600)


def test_the_replay_of_another_kind_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    records_of(Trainer(CARTPOLE), checkpoints)
    other = Trainer(dataclasses.replace(CARTPOLE, num_envs=3))
    with pytest.raises(CheckpointError, match="for 3 rings"):
        checkpoints.restore(other, 500)


def test_states_of_other_generators_are_refused_and_named():
    trainer = Trainer(CARTPOLE)
    for states, said in ({"behaviour": {}}, "got behaviour"), ({}, "got none"):
        with pytest.raises(CheckpointError, match=said):
            load_generators(trainer, states)


def test_generators_of_other_packages_are_not_looked_for():
    foreign = SimpleNamespace(rng=np.random.default_rng(0))
    assert find_generators(SimpleNamespace(inner=foreign)) == {}
    assert list(find_generators(foreign)) == ["rng"]


def test_the_optimiser_of_another_network_is_refused():
    agent = Trainer(CARTPOLE).agent
    data, groups = dump_optimizer(agent), optimizer_groups(agent)
    load_optimizer(agent, data, groups)
    for other in ([], [*groups, *groups]):
        with pytest.raises(CheckpointError, match=f"got {len(other)} groups of parameters for 1"):
            load_optimizer(agent, data, other)


def saved_twice(folder):
    """A trainer at its third barrier, two checkpoints of it, and their content."""
    checkpoints = Checkpoints(folder)
    trainer = Trainer(dataclasses.replace(CARTPOLE, buffer_size=20_000))
    progress = (record for record in trainer.run() if isinstance(record, Barrier))
    for _ in range(2):
        next(progress)
        assert checkpoints.save(trainer)
    next(progress)
    return trainer, checkpoints, progress


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refuse(_):
    raise OSError(errno.EIO, "Input/output error")


def test_after_one_that_could_not_be_written_the_next_still_shares(tmp_path, monkeypatch):
    trainer, checkpoints, progress = saved_twice(tmp_path)
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="Input/output"):
        patch.setattr(os, "fsync", refuse)
        assert not checkpoints.save(trainer)
    next(progress)
    assert checkpoints.save(trainer)
    files = checkpoints.store.path(400).glob("replay-*.npy")
    assert sorted(path.stat().st_nlink for path in files) == [1, 2, 2]


def test_what_was_to_be_shared_is_written_anew_where_it_is_gone(tmp_path):
    trainer, checkpoints, progress = saved_twice(tmp_path)
    (checkpoints.store.path(200) / "replay-000000.npy").unlink()
    with pytest.warns(UserWarning, match="No such file"):
        assert not checkpoints.save(trainer)
    next(progress)
    assert checkpoints.save(trainer)
    assert checkpoints.newest() == 400


@pytest.mark.parametrize("limit", [0, 100, 2_000, 6_000])
def test_a_file_that_cannot_be_written_leaves_everything_as_it_was(limit, tmp_path):
    trainer, checkpoints, progress = saved_twice(tmp_path)
    before = content(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # bytes in one file
        with pytest.warns(UserWarning, match=r"step 300 .* \(File too large\); training goes on"):
            assert not checkpoints.save(trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(tmp_path) == before
    next(progress)
    assert checkpoints.save(trainer)  # and carries what the failed one would have
    resumed = Trainer(trainer.config)
    assert checkpoints.newest() == 400
    Checkpoints(tmp_path).restore(resumed, 400)
    assert records_of(resumed) == [
        dataclasses.replace(r, steps_per_second=0.0) if isinstance(r, UpdateRecord) else r
        for r in trainer_rest(trainer, progress)
    ]


def trainer_rest(trainer, progress):
    list(progress)
    rest = Trainer(trainer.config)
    records = list(rest.run())
    at = next(i for i, r in enumerate(records) if isinstance(r, Barrier) and r.step == 400)
    return records[at + 1 :]


def test_a_full_disk_leaves_everything_as_it_was():
    with small_disk("1m") as disk:
        trainer, checkpoints, progress = saved_twice(disk)
        before = content(disk)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4_096))
        with pytest.warns(UserWarning, match=r"\(No space left on device\)"):
            assert not checkpoints.save(trainer)
        filler.unlink()
        assert content(disk) == before
        assert checkpoints.save(trainer)
        checkpoints.store.verify(300)
        progress.close()
        trainer.close()
