"""TorchRL as installed: a watched trainer is the trainer nobody watched."""

import functools
import random
import warnings

import numpy as np
import pytest
import torch

from qdiverge.errors import InvalidTypeError
from qdiverge.monitor.listening import HeardMethod
from qdiverge.runs import load_run
from tests.integrations.same import (
    LAST,
    assert_copies_ran_ahead,
    assert_same,
    begin_at_zero,
    random_states,
)

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("default"),  # what a framework warns of is its own affair
]
pytest.importorskip("torchrl")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tensordict import TensorDict
    from torchrl.collectors import Collector
    from torchrl.data import (
        LazyTensorStorage,
        RandomSampler,
        SamplerWithoutReplacement,
        TensorDictReplayBuffer,
    )
    from torchrl.envs import GymEnv
    from torchrl.modules import MLP, QValueActor
    from torchrl.objectives import DDPGLoss, DQNLoss, HardUpdate
    from torchrl.trainers.algorithms.dqn import DQNTrainer

from qdiverge.integrations import torchrl  # noqa: E402

NUM_FRAMES, DISCOUNT = 160, 0.9
EVERYTHING = {"every": 10, "max_overhead": None, "probe_size": 16, "probe_refresh_period": 20}


def make(
    folder, *, double=False, one_hot=True, num_random=16, steps=4, discount=DISCOUNT, lr=3e-3,
    per_batch=8,
):  # fmt: skip
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    environment = GymEnv("CartPole-v1", categorical_action_encoding=not one_hot)
    environment.set_seed(1)
    network = MLP(in_features=4, out_features=2, num_cells=[16, 16], activation_class=torch.nn.ReLU)
    actor = QValueActor(network, in_keys=["observation"], spec=environment.action_spec)
    loss = DQNLoss(actor, delay_value=True, double_dqn=double, action_space=environment.action_spec)
    loss.make_value_estimator(gamma=discount)
    frames = {"total_frames": NUM_FRAMES, "init_random_frames": num_random}
    collector = Collector(environment, actor, frames_per_batch=per_batch, **frames)
    memory = TensorDictReplayBuffer(storage=LazyTensorStorage(500), batch_size=16)
    random.seed(1)  # what is imported above draws from it, once in a process
    updater = HardUpdate(loss, value_network_update_interval=10)
    return DQNTrainer(
        collector=collector, total_frames=NUM_FRAMES, frame_skip=1, optim_steps_per_batch=steps,
        loss_module=loss, optimizer=torch.optim.Adam(loss.parameters(), lr=lr),
        replay_buffer=memory, target_net_updater=updater,
        enable_logging=False, progress_bar=False,
        save_trainer_file=folder and folder / "trainer.pt",
    )  # fmt: skip


def state_of(trainer):
    return {
        "loss module": dict(trainer.loss_module.state_dict()),
        "optimizer": trainer.optimizer.state_dict(),
        "memory": trainer.replay_buffer[:].to_dict(),
        "random": random_states(),
        "frames": trainer.collected_frames,
    }


@functools.cache
def plain_state(double, one_hot):
    trainer = make(None, double=double, one_hot=one_hot)
    trainer.train()
    return state_of(trainer)


def assert_nobody_listens(trainer):
    for owner in type(trainer).__mro__:
        assert not any(isinstance(value, HeardMethod) for value in vars(owner).values())
    assert not trainer.optimizer._optimizer_step_post_hooks
    assert len(trainer._process_optim_batch_ops) == 1  # the replay buffer's
    for module in trainer.loss_module.value_network.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("cost", ["light", "standard", "full"])
def test_a_watched_trainer_is_the_trainer_nobody_watched(tmp_path, cost, double):
    trainer = make(tmp_path, double=double, one_hot=double)
    hook = torchrl.Hook(tmp_path / "run", cost=cost, **EVERYTHING)
    hook.register(trainer)
    trainer.train()
    assert_same(state_of(trainer), plain_state(double, double))
    assert_nobody_listens(trainer)
    assert_copies_ran_ahead(hook.monitor)
    run = load_run(tmp_path / "run")
    series = run.series[f"diverge/{LAST[cost]}"]
    assert len(series.steps) >= 5
    assert np.isfinite(series.values).all()
    assert series.steps[-1] == NUM_FRAMES  # the trainer's own clock
    assert run.info["config"]["discount"] == DISCOUNT
    assert run.info["status"] == "finished"
    assert len(run.syncs) >= 3
    assert torch.load(tmp_path / "trainer.pt", weights_only=False)  # it saved itself at the end


def divergent(folder):
    """Steps that are far too large, and a target that is copied every other update."""
    trainer = make(folder, num_random=80, steps=50, discount=0.99, lr=0.1, per_batch=80)
    trainer.target_net_updater.value_network_update_interval = 1
    return trainer


def test_divergence_is_called_from_the_replay_before_it_starts(tmp_path):
    """r_max/(1 − γ) = 100; the copies of update 0 pass it with the run, at update 27 as seen."""
    plain = divergent(tmp_path)
    plain.train()
    trainer = divergent(tmp_path)
    hook = torchrl.Hook(tmp_path / "run", **EVERYTHING | {"cost": "light", "every": 1})
    hook.register(trainer)
    trainer.train()
    assert_same(state_of(trainer), state_of(plain))
    alarms = {alarm.rule: alarm for alarm in hook.monitor.alarms}
    called, passed = alarms["foreseen_divergence"], alarms["soft_divergence"]
    assert called.update == 0  # before any batch was trained on: the replay was drawn from
    assert (num_rows := hook.monitor.foresight.options.num_rows) is not None
    assert num_rows() == len(trainer.replay_buffer)
    assert called.evidence["first"] / 2 < passed.update < 2 * called.evidence["last"]


def test_drawing_for_copies_leaves_a_replay_as_it_was():
    def memory(sampler):
        kept = TensorDictReplayBuffer(
            storage=LazyTensorStorage(50), sampler=sampler, batch_size=8,
            generator=torch.Generator().manual_seed(5),
        )  # fmt: skip
        kept.extend(TensorDict({"x": torch.arange(50.0)}, [50]))
        return kept

    plain, drawn = memory(RandomSampler()), memory(RandomSampler())
    draws = {tuple(torchrl.drawn(drawn)["x"].tolist()) for _ in range(4)}
    assert len(draws) == 4
    assert torch.equal(drawn.sample()["x"], plain.sample()["x"])
    assert torchrl.can_draw(drawn)
    assert not torchrl.can_draw(memory(SamplerWithoutReplacement()))
    assert not torchrl.can_draw(None)


@pytest.mark.parametrize("double", [False, True])
def test_the_rule_is_the_loss_modules_own_and_says_where_each_field_is_from(tmp_path, double):
    trainer = make(tmp_path, double=double)
    hook = torchrl.Hook(tmp_path / "run", audit_period=10, **EVERYTHING)
    hook.register(trainer)
    trainer.train()
    rule, group = hook.monitor.rule, trainer.optimizer.param_groups[0]
    assert (rule.discount, rule.loss) == (pytest.approx(DISCOUNT), "squared")  # l2, the default
    assert rule.bootstrap == ("double_q" if double else "target_q")
    assert (rule.critics, rule.clipping) == ("one", trainer.clip_norm)
    assert (rule.learning_rate, rule.momentum) == (group["lr"], group["betas"][0])
    assert (rule.target_period, rule.sources["target_period"]) == (11, "seen")  # HardUpdate's 10
    assert (rule.sources["critics"], rule.sources["momentum"]) == ("given", "optimizer")
    assert rule.sources["bootstrap"] in ("given", "seen")


def test_the_td_errors_are_the_loss_modules_own(tmp_path):
    trainer = make(tmp_path, double=True)
    hook = torchrl.Hook(tmp_path / "run", cost="light", **EVERYTHING | {"probe_size": 32})
    hook.register(trainer)
    seen = []
    trainer.register_op("process_optim_batch", lambda batch: seen.append(batch.clone()))
    trainer.train()
    batch = torch.cat(seen)[:32]
    moment = hook.monitor.moment(torchrl.BatchReader(trainer.loss_module)(batch))
    trainer.loss_module(batch)  # writes δ² under its priority key
    torch.testing.assert_close(moment.td_errors**2, batch["td_error"].squeeze(-1))


@pytest.mark.parametrize("where", ["update", "environment"])
def test_nothing_is_left_behind_after_an_exception(tmp_path, where):
    def breaks(*_):
        raise ZeroDivisionError

    trainer = make(tmp_path)
    torchrl.Hook(tmp_path / "run", **EVERYTHING).register(trainer)
    if where == "update":
        handle = trainer.optimizer.register_step_pre_hook(breaks)
    else:
        trainer.register_op("batch_process", breaks)
    with pytest.raises(ZeroDivisionError):
        trainer.train()
    assert_nobody_listens(trainer)
    assert load_run(tmp_path / "run").info["status"] == "interrupted"
    if where == "update":
        handle.remove()
        again = torchrl.Hook(tmp_path / "again")
        again.register(trainer)  # the network is free for another
        again.close()
        assert_nobody_listens(trainer)


def test_an_alarm_stops_the_trainer_by_its_own_way(tmp_path):
    trainer = make(tmp_path)
    begin_at_zero(trainer.loss_module)
    options = EVERYTHING | {"on_alarm": "stop", "reward_bound": 1e-6, "foresight": False}
    torchrl.Hook(tmp_path / "run", **options).register(trainer)
    trainer.train()
    assert trainer.collected_frames < NUM_FRAMES
    assert trainer._stop_reason.startswith("qdiverge: soft_divergence")
    assert (tmp_path / "trainer.pt").exists()  # a trainer that is stopped saves itself
    assert_nobody_listens(trainer)
    assert load_run(tmp_path / "run").info["status"] == "alarm"


def test_a_loop_written_by_hand_is_watched_too(tmp_path):
    trainer = make(tmp_path)
    loss_module, optimizer = trainer.loss_module, trainer.optimizer
    batches = [trainer.collector.rollout() for _ in range(3)]
    with torchrl.watch(loss_module, optimizer, tmp_path / "run", **EVERYTHING | {"every": 1}) as m:
        for batch in batches:
            optimizer.zero_grad()
            loss_module(m.batch(batch))["loss"].backward()
            optimizer.step()
    assert len(load_run(tmp_path / "run").series["diverge/q_mean"].steps) >= 3
    with pytest.raises(InvalidTypeError, match=r"must be a torchrl.objectives.DQNLoss.*qd.attach"):
        torchrl.watch(DDPGLoss, optimizer, tmp_path / "other")
