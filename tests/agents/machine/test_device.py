"""What runs on a GPU, held on the CPU to the plain way; on a GPU where there is one."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from qdiverge.agents import updates
from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.checkpoints.segments import dump_replay, load_replay
from qdiverge.agents.discrete.deferred import DeferredUpdates, why_not_deferred
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.machine.cuda_graph import call_step_hooks, without_step_hooks
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.networks import MLP, NatureNetwork
from qdiverge.agents.records import Barrier, UpdateRecord
from qdiverge.agents.replay.device_frames import DeviceFrameReplay
from qdiverge.agents.replay.frames import FrameReplay
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.transitions import Transitions

CPU = torch.device("cpu")
SHORT = DQNConfig(
    environment="CartPole-v1",
    total_steps=400,
    num_envs=4,
    learning_starts=80,
    buffer_size=1_000,
    batch_size=8,
    target_period=40,
)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def fill(replay, steps, num_envs):
    rng = np.random.default_rng(0)
    frame = rng.integers(256, size=(num_envs, 6, 5), dtype=np.uint8)
    replay.begin(frame)
    for _ in range(steps):
        ended = rng.random(num_envs) < 0.15
        following, first = rng.integers(256, size=(2, num_envs, 6, 5), dtype=np.uint8)
        actions = rng.integers(4, size=num_envs)
        replay.append(actions, rng.normal(size=num_envs), ended, following, ended, first)


@pytest.mark.parametrize(("steps", "stack"), [(3, 4), (20, 4), (200, 4), (200, 2)])
def test_a_replay_on_a_device_gives_the_same_batches(steps, stack):
    host = FrameReplay(240, 3, seed=7, frame_shape=(6, 5), stack=stack)
    device = DeviceFrameReplay(
        240, 3, seed=7, device=CPU, frame_shape=(6, 5), stack=stack
    )  # 200: the ring goes round
    fill(host, steps, 3)
    fill(device, steps, 3)
    assert torch.equal(torch.from_numpy(host.frames), device.frames)
    for _ in range(5):
        index = host.draw(64)
        assert (index == device.draw(64)).all()
        expected, found = host.gather(index), device.gather(index)
        for field in dataclasses.fields(Transitions):
            assert torch.equal(getattr(expected, field.name), getattr(found, field.name))
        assert torch.equal(host.states(index), device.states(index))


def test_a_replay_on_a_device_is_saved_and_loaded_like_one_on_the_host(tmp_path):
    host, device, again = (
        FrameReplay(240, 3, seed=7, frame_shape=(6, 5)),
        DeviceFrameReplay(240, 3, seed=7, device=CPU, frame_shape=(6, 5)),
        DeviceFrameReplay(240, 3, seed=7, device=CPU, frame_shape=(6, 5)),
    )
    found = []
    for name, replay in (("host", host), ("device", device)):
        fill(replay, 100, 3)
        store = CheckpointStore(tmp_path / name)
        with store.writing(1) as writer:
            saved = dump_replay(writer, replay, None)
        found.append(store.read(1, saved["segments"][0]["name"]))
    assert found[0] == found[1]
    load_replay(again, store.path(1), saved, store.verify(1))
    assert torch.equal(again.frames, device.frames)
    index = device.draw(32)
    assert torch.equal(again.gather(index).observations, device.gather(index).observations)


def test_the_frames_are_where_they_were_asked_for(monkeypatch):
    there = torch.device("meta")
    monkeypatch.setattr("qdiverge.agents.replay.frames.device_memory", lambda _: 10**9)
    replay = DeviceFrameReplay(240, 3, seed=7, device=there, frame_shape=(6, 5))
    assert replay.frames.device == replay.device == there


def batches(num, nan_at=None):
    generator = torch.Generator().manual_seed(0)
    for k in range(num):
        rewards = torch.randn(8, generator=generator)
        yield Transitions(
            observations=torch.randn(8, 3, generator=generator),
            actions=torch.randint(4, (8,), generator=generator),
            rewards=rewards * (math.nan if k == nan_at else 1.0),
            next_observations=torch.randn(8, 3, generator=generator),
            terminated=torch.rand(8, generator=generator) < 0.3,
        )


def agent_of(**options):
    torch.manual_seed(0)
    return DQN(MLP([3, 8, 4]), DQNConfig(**options))


def held(agent):
    """Weights of both networks, and the optimiser's moments and counts."""
    tensors = [*agent.q_network.parameters(), *agent.target_network.parameters()]
    tensors += [value for state in agent.optimizer.state.values() for value in state.values()]
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


@pytest.mark.parametrize("options", [{}, {"polyak": 0.125}, {"double": True, "loss": "mse"}])
def test_deferred_updates_are_the_updates(options):
    plain, agent = agent_of(**options), agent_of(**options)
    deferred = DeferredUpdates(agent)
    for batch in batches(6):
        expected = plain.update(batch)
        deferred(batch)
    assert torch.equal(held(plain), held(agent))
    assert deferred.read() == (expected, 6)


@pytest.mark.parametrize("bad", [0, 3])
def test_from_the_first_loss_that_is_not_finite_no_step_is_taken(bad):
    plain, agent = agent_of(polyak=0.5), agent_of(polyak=0.5)
    deferred = DeferredUpdates(agent)
    for k, batch in enumerate(batches(7, nan_at=bad)):
        deferred(batch)
        if k < bad:
            plain.update(batch)
    found = deferred.read()
    assert found is not None
    update, number = found
    assert not update.is_finite
    assert number == bad + 1
    assert torch.equal(held(plain)[: held(agent).numel()], held(agent)[: held(plain).numel()])


@pytest.fixture
def deferring(monkeypatch):
    """Makes a trainer whose updates are deferred, also on a CPU."""

    def make(*args, **options):
        with monkeypatch.context() as patch:
            patch.setattr(updates, "deferred_updates", DeferredUpdates)
            return Trainer(*args, **options)

    return make


def test_a_deferred_run_is_the_run(deferring):
    runs = Trainer(SHORT, log_period=10), deferring(SHORT, log_period=10)
    plain, deferred = (
        [
            dataclasses.replace(r, steps_per_second=0.0) if isinstance(r, UpdateRecord) else r
            for r in run.run()
        ]
        for run in runs
    )
    assert plain == deferred
    assert torch.equal(held(runs[0].agent), held(runs[1].agent))


@pytest.mark.parametrize("log_period", [5, 1_000])  # 1000: noticed at the end of the run only
def test_a_deferred_run_ends_as_divergence_and_names_the_update(log_period, deferring):
    weights = []

    def explode(batch):
        weights.append(next(trainer.q_network.parameters()).detach().clone())
        rewards = torch.full_like(batch.rewards, math.nan if trainer.num_updates == 7 else 1.0)
        return dataclasses.replace(batch, rewards=rewards)

    trainer = deferring(SHORT, transform_batch=explode, log_period=log_period)
    end = list(trainer.run())[-1]
    assert (end.reason, end.update) == ("divergence", 8)
    assert "nan" in end.detail
    assert torch.equal(next(trainer.q_network.parameters()), weights[7])
    assert not torch.equal(weights[7], weights[6])


def test_a_deferred_run_goes_on_from_a_checkpoint_with_its_count_of_updates(tmp_path, deferring):
    config = dataclasses.replace(SHORT, checkpoint_period=200)
    checkpoints, runs = Checkpoints(tmp_path), []
    for step in (None, 200):
        run = deferring(config, log_period=7)
        if step is not None:
            checkpoints.restore(run, step)
        for record in run.run():
            if isinstance(record, Barrier) and step is None:
                checkpoints.save(run)
        runs.append((run, record))
    assert runs[0][1] == runs[1][1]
    assert runs[0][1].update == 80
    weights = [next(run.q_network.parameters()) for run, _ in runs]
    assert torch.equal(*weights)


def test_what_cannot_be_deferred_is_said():
    assert why_not_deferred(agent_of()) == ""
    assert "NatureRMSprop cannot" in why_not_deferred(agent_of(optimizer="nature_rmsprop"))
    assert "TD errors" in why_not_deferred(agent_of(prioritized=True))


def test_a_replayed_step_calls_the_hooks_and_a_trial_does_not():
    agent, calls = agent_of(), []
    handle = agent.optimizer.register_step_post_hook(lambda *_: calls.append(1))
    with without_step_hooks(agent.optimizer):
        agent.update(next(batches(1)))
    assert calls == []
    call_step_hooks(agent.optimizer)
    agent.update(next(batches(1)))
    assert calls == [1, 1]
    handle.remove()
    call_step_hooks(agent.optimizer)
    assert calls == [1, 1]


def test_devices_are_checked_by_name_and_by_presence():
    assert find_device("cpu") == CPU
    with pytest.raises(InvalidValueError, match="cpu, cuda or cuda:N; got 'gpu'"):
        DQNConfig(device="gpu")
    assert DQNConfig(device="cuda:1").device == "cuda:1"  # of a run made on another machine


@pytest.mark.skipif(torch.cuda.is_available(), reason="for a machine without a GPU")
def test_cuda_without_cuda_is_refused_with_the_reason():
    with pytest.raises(InvalidValueError, match=r"got 'cuda', and .*Use device cpu"):
        Trainer(dataclasses.replace(SHORT, device="cuda"))


@needs_cuda
def test_a_captured_update_is_the_update():
    torch.manual_seed(0)
    network = NatureNetwork(6).cuda()
    plain = DQN(network, DQNConfig(device="cuda"))
    agent = DQN(NatureNetwork(6).cuda(), DQNConfig(device="cuda"))
    agent.q_network.load_state_dict(network.state_dict())
    agent.sync_target()
    calls = []
    agent.optimizer.register_step_post_hook(lambda *_: calls.append(1))
    deferred = DeferredUpdates(agent)
    for _ in range(5):
        frames = torch.randint(256, (2, 32, 4, 84, 84), dtype=torch.uint8)
        actions, over = torch.randint(6, (32,)), torch.rand(32) < 0.1
        batch = Transitions(frames[0], actions, torch.randn(32), frames[1], over).to(agent.device)
        expected = plain.update(batch)
        deferred(batch)
    found = deferred.read()
    assert found is not None
    update, number = found
    assert deferred._graph is not None
    assert (number, len(calls)) == (5, 5)
    assert update.loss == pytest.approx(expected.loss, rel=1e-3)
    torch.testing.assert_close(held(agent), held(plain), rtol=1e-3, atol=1e-4)


@needs_cuda
def test_a_run_on_a_gpu_learns_from_the_same_transitions():
    config = DQNConfig(
        total_steps=400, num_envs=4, learning_starts=200, buffer_size=2_000, epsilon_end=1.0
    )
    runs = [Trainer(dataclasses.replace(config, device=device)) for device in ("cpu", "cuda")]
    for run in runs:
        list(run.run())
    assert (runs[0].replay.actions == runs[1].replay.actions).all()
    slow, fast = (run.replay for run in runs)
    assert isinstance(slow, FrameReplay)
    assert isinstance(fast, DeviceFrameReplay)
    assert torch.equal(torch.from_numpy(slow.frames), fast.frames.cpu())
