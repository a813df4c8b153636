"""Tianshou as installed: a watched algorithm is the algorithm nobody watched."""

import functools
import io
import pickle
import random
import warnings
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch

from qdiverge.errors import DivergenceError, InvalidTypeError
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
pytest.importorskip("tianshou")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tianshou.algorithm import DDPG, DQN, SAC, TD3, Reinforce
    from tianshou.algorithm.algorithm_base import policy_within_training_step
    from tianshou.algorithm.modelfree.ddpg import ContinuousDeterministicPolicy
    from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
    from tianshou.algorithm.modelfree.sac import AutoAlpha, FixedAlpha, SACPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import (
        Collector,
        HERReplayBuffer,
        PrioritizedVectorReplayBuffer,
        VectorReplayBuffer,
    )
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OffPolicyTrainerParams
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import (
        ContinuousActorDeterministic,
        ContinuousActorProbabilistic,
        ContinuousCritic,
    )

from qdiverge.integrations import tianshou  # noqa: E402

NUM_STEPS, DISCOUNT = 160, 0.9
EVERYTHING = {"every": 10, "max_overhead": None, "probe_size": 16, "probe_refresh_period": 20}


class Training:
    """An algorithm, its buffer, and what its trainer is told."""

    share = 0.5  # updates to a step

    def __init__(self, name, num_random=40, **options):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        is_discrete = name == "DQN"
        task = "CartPole-v1" if is_discrete else "Pendulum-v1"
        environments = DummyVectorEnv([lambda: gymnasium.make(task) for _ in range(2)])
        environments.seed(1)
        self.space = environments.action_space[0]
        self.space.seed(1)
        self.algorithm = getattr(self, name)(**{"gamma": DISCOUNT} | options)
        self.buffer = VectorReplayBuffer(500, 2)
        self.collector = Collector(
            self.algorithm, environments, self.buffer, exploration_noise=is_discrete
        )
        self.collector.reset()
        self.collector.collect(n_step=num_random, random=True)

    def DQN(self, lr=3e-3, **options):  # noqa: N802
        network = Net(state_shape=4, action_shape=2, hidden_sizes=[16])
        policy = DiscreteQLearningPolicy(model=network, action_space=self.space, eps_training=0.2)
        options = {"target_update_freq": 10} | options
        return DQN(policy=policy, optim=AdamOptimizerFactory(lr=lr), **options)

    def DDPG(self, kind=DDPG, **options):  # noqa: N802
        actor = ContinuousActorDeterministic(
            preprocess_net=Net(state_shape=3, hidden_sizes=[12]), action_shape=1, max_action=1.0
        )
        policy = ContinuousDeterministicPolicy(
            actor=actor, action_space=self.space, action_scaling=False, action_bound_method=None
        )
        return kind(
            policy=policy, policy_optim=AdamOptimizerFactory(lr=1e-3), critic=self.critic(),
            critic_optim=AdamOptimizerFactory(lr=3e-3), **options,
        )  # fmt: skip

    def TD3(self, **options):  # noqa: N802
        return self.DDPG(TD3, **options)

    def SAC(self, **options):  # noqa: N802
        actor = ContinuousActorProbabilistic(
            preprocess_net=Net(state_shape=3, hidden_sizes=[12]), action_shape=1,
            unbounded=True, conditioned_sigma=True,
        )  # fmt: skip
        options.setdefault("alpha", AutoAlpha(-1.0, 0.0, AdamOptimizerFactory(lr=3e-3)))
        return SAC(
            policy=SACPolicy(actor=actor, action_space=self.space), critic=self.critic(),
            policy_optim=AdamOptimizerFactory(lr=1e-3),
            critic_optim=AdamOptimizerFactory(lr=3e-3), **options,
        )  # fmt: skip

    def critic(self):
        return ContinuousCritic(
            preprocess_net=Net(state_shape=3, action_shape=1, hidden_sizes=[12], concat=True)
        )

    def params(self, **options):
        return OffPolicyTrainerParams(
            max_epochs=2, epoch_num_steps=NUM_STEPS // 2, training_collector=self.collector,
            collection_step_num_env_steps=8, update_step_num_gradient_steps_per_sample=self.share,
            batch_size=16, verbose=False, show_progress=False, **options,
        )  # fmt: skip

    def run(self, **options):
        return self.algorithm.run_training(self.params(**options))

    @property
    def optimizer(self):
        return getattr(self.algorithm, "optim", None) or self.algorithm.critic_optim

    def state(self):
        return {
            "algorithm": dict(self.algorithm.state_dict()),
            "buffer": [self.buffer.obs, self.buffer.act, self.buffer.rew],
            "draws": [b._random_state.get_state() for b in (self.buffer, *self.buffer.buffers)],
            "random": random_states(),
        }

    def assert_nobody_listens(self):
        for thing in (self.algorithm, self.buffer):
            for owner in type(thing).__mro__:
                assert not any(isinstance(value, HeardMethod) for value in vars(owner).values())
        assert not self.optimizer._optim._optimizer_step_post_hooks
        for module in self.algorithm.modules():
            assert not module._forward_hooks
            assert not module._backward_hooks


@functools.cache
def plain_state(name):
    training = Training(name)
    training.run()
    return training.state()


@pytest.mark.parametrize("cost", ["light", "standard", "full"])
@pytest.mark.parametrize("name", ["DQN", "DDPG", "TD3", "SAC"])
def test_a_watched_algorithm_is_the_algorithm_nobody_watched(tmp_path, name, cost):
    training = Training(name)
    algorithm, saved = training.algorithm, io.BytesIO()

    def save(epoch, env_step):
        if env_step == NUM_STEPS / 2:
            torch.save(algorithm, saved)
            pickle.loads(pickle.dumps(training.buffer))

    with tianshou.attach(
        algorithm, training.buffer, out=tmp_path / "run", cost=cost, **EVERYTHING
    ) as monitor:
        training.run(training_fn=save)
    assert_same(training.state(), plain_state(name))
    training.assert_nobody_listens()
    assert monitor.num_updates == NUM_STEPS / 2
    assert "monitor_failures" not in load_run(tmp_path / "run").info
    if name in ("DQN", "DDPG"):
        assert_copies_ran_ahead(monitor)
        assert monitor.foresight.latest.notes == ()  # such as an actor that is held still
    else:
        assert "optimiser of its own" in monitor.foresight.why_not
    run = load_run(tmp_path / "run")
    has_map = name in ("DQN", "DDPG")  # of critics with an optimiser each there is none
    assert ("diverge/spectral_radius" in run.series) == (cost == "full" and has_map)
    series = run.series[f"diverge/{LAST[cost if has_map else 'light']}"]
    assert len(series.steps) >= 5
    assert np.isfinite(series.values).all()
    assert run.info["config"]["algorithm"] == name
    assert run.info["status"] == "finished"
    saved.seek(0)
    assert type(torch.load(saved, weights_only=False)) is type(algorithm)


def divergent():
    """Steps that are far too large, without a target network."""
    training = Training("DQN", num_random=128, gamma=0.99, lr=0.1, target_update_freq=0)
    training.share = 1.0
    return training


def test_divergence_is_called_from_the_buffer_before_it_starts(tmp_path):
    """r_max/(1 − γ) = 100: the copies of update 0 pass it with the run."""
    plain, training = divergent(), None
    plain.run()
    training = divergent()
    options = EVERYTHING | {"cost": "light", "every": 1}
    with tianshou.attach(
        training.algorithm, training.buffer, out=tmp_path / "run", **options
    ) as monitor:
        training.run()
    assert_same(training.state(), plain.state())
    alarms = {alarm.rule: alarm for alarm in monitor.alarms}
    called, passed = alarms["foreseen_divergence"], alarms["soft_divergence"]
    assert called.update == 0  # before any batch was trained on: the buffer was drawn from
    assert called.evidence["first"] / 2 < passed.update < 2 * called.evidence["last"]


def test_drawing_for_copies_leaves_a_buffer_as_it_was():
    training = Training("DQN", n_step_return_horizon=3)
    rows = training.buffer[:]
    kinds = (VectorReplayBuffer, partial(PrioritizedVectorReplayBuffer, alpha=0.6, beta=0.4))
    for kind in kinds:
        plain, drawn = kind(500, 2), kind(500, 2)
        for buffer in (plain, drawn):
            for i in range(len(rows)):
                buffer.add(rows[i : i + 1], buffer_ids=[i % 2])
        draw = tianshou.of_copies(training.algorithm, drawn, lambda: 16)["data"]
        np.random.seed(0)  # noqa: NPY002
        batches = [draw() for _ in range(3)]
        assert len({batch["rewards"].sum() + batch["observations"].sum() for batch in batches}) == 3
        states = []
        for buffer in (plain, drawn):
            np.random.seed(0)  # noqa: NPY002
            states.append(buffer.sample(16)[1])
        assert np.array_equal(*states)
    her = HERReplayBuffer(50, compute_reward_fn=lambda a, g: a, horizon=5, future_k=4)
    assert "data" not in tianshou.of_copies(training.algorithm, her, lambda: 16)
    assert tianshou.of_copies(training.algorithm, drawn, lambda: 16)["num_rows"]() == len(rows)


RULES = {
    "DQN": {"loss": "squared", "critics": "one", "bootstrap": "double_q", "target_period": 10},
    "DDPG": {"loss": "squared", "critics": "one", "bootstrap": "target_q", "polyak": 0.005},
    "TD3": {"loss": "squared", "critics": "min", "bootstrap": "target_q", "polyak": 0.005,
            "averaging_period": 2},
    "SAC": {"loss": "squared", "critics": "min", "bootstrap": "target_q", "polyak": 0.005},
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_the_algorithms_own_and_its_next_actions_are_heard(tmp_path, name):
    training = Training(name)
    with tianshou.attach(
        training.algorithm, training.buffer, out=tmp_path / "run", audit_period=10, **EVERYTHING
    ) as monitor:
        training.run()
    rule, group = monitor.rule, training.optimizer._optim.param_groups[0]
    assert {field: getattr(rule, field) for field in RULES[name]} == RULES[name]
    assert (rule.discount, rule.sources["discount"]) == (pytest.approx(DISCOUNT), "seen")
    assert (rule.learning_rate, rule.momentum) == (group["lr"], group["betas"][0])
    assert (rule.optimizer, rule.sources["optimizer"]) == ("Adam", "optimizer")
    assert (rule.clipping, rule.sources["critics"]) == (None, "given")
    if name == "SAC":
        assert rule.entropy_coefficient == pytest.approx(float(training.algorithm.alpha.value))
        assert rule.sources["entropy_coefficient"] == "given"
    assert ("optimiser of its own" in rule.not_modelled) == (name in ("TD3", "SAC"))
    # TD3's noise and SAC's draw are in the targets: without them no audit could tell the rule
    assert monitor.loop_audit.num_audits >= 5
    assert (monitor.loop_audit.num_undecided, monitor.loop_audit.why_not) == (0, "")
    assert [alarm for alarm in monitor.alarms if alarm.kind == "loop"] == []


def test_the_td_errors_are_the_algorithms_own(tmp_path):
    """Tianshou's own returns less its own Q, for one step and for three."""
    for name, num_steps in (("DQN", 1), ("DQN", 3), ("DDPG", 2)):
        training = Training(name, n_step_return_horizon=num_steps)
        algorithm, buffer = training.algorithm, training.buffer
        out = tmp_path / f"{name}{num_steps}"
        training.run()
        options = EVERYTHING | {"cost": "light", "probe_size": 64}
        with tianshou.attach(algorithm, buffer, out=out, **options) as monitor:
            batch, indices = buffer.sample(64)
            with policy_within_training_step(algorithm.policy):
                batch = algorithm._preprocess_batch(batch, buffer, indices)
            moment = monitor.moment()
        if name == "DQN":
            q = algorithm.policy(batch).logits[torch.arange(64), batch.act]
        else:
            q = algorithm.critic(batch.obs, batch.act).flatten()
        own = (batch.returns.flatten() - q).detach()
        torch.testing.assert_close(moment.td_errors, own, rtol=1e-4, atol=1e-5)


class Masked(gymnasium.Env):
    """Observations {obs, mask}: one of three actions is not allowed."""

    action_space = gymnasium.spaces.Discrete(3)
    observation_space = gymnasium.spaces.Dict(
        obs=gymnasium.spaces.Box(-2, 2, (3,)), mask=gymnasium.spaces.Box(0, 1, (3,), dtype=np.int8)
    )

    def look(self):
        mask = np.ones(3, bool)
        mask[self.np_random.integers(3)] = False
        return {"obs": self.np_random.normal(size=3).astype(np.float32), "mask": mask}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.look(), {}

    def step(self, action):
        self.t += 1
        return self.look(), 1.0, False, self.t >= 20, {}


def test_observations_with_a_mask_are_watched_to_the_end(tmp_path):
    torch.manual_seed(0)
    network = Net(state_shape=3, action_shape=3, hidden_sizes=[32])
    policy = DiscreteQLearningPolicy(
        model=network, action_space=Masked.action_space, eps_training=0.2
    )
    algorithm = DQN(
        policy=policy, optim=AdamOptimizerFactory(lr=1e-3), gamma=0.9, target_update_freq=50
    )
    buffer = VectorReplayBuffer(2000, 2)
    environments = DummyVectorEnv([Masked] * 2)
    collector = Collector(algorithm, environments, buffer, exploration_noise=True)
    collector.reset()
    collector.collect(n_step=200)
    params = OffPolicyTrainerParams(
        training_collector=collector, test_collector=None, max_epochs=1, epoch_num_steps=300,
        collection_step_num_env_steps=10, update_step_num_gradient_steps_per_sample=0.5,
        batch_size=32, verbose=False, show_progress=False,
    )  # fmt: skip
    with tianshou.attach(algorithm, buffer, out=tmp_path / "run", **EVERYTHING) as monitor:
        algorithm.run_training(params)
    assert monitor.num_updates == 150
    assert monitor.latest["diverge/q_abs_max"] < 10
    assert "monitor_failures" not in load_run(tmp_path / "run").info


@pytest.mark.parametrize("where", ["update", "environment"])
def test_nothing_is_left_behind_after_an_exception(tmp_path, where):
    def breaks(*_):
        raise ZeroDivisionError

    training = Training("DQN")
    options = {"training_fn": breaks} if where == "environment" else {}
    if where == "update":
        handle = training.optimizer._optim.register_step_pre_hook(breaks)
    with (
        pytest.raises(ZeroDivisionError),
        tianshou.attach(training.algorithm, training.buffer, out=tmp_path / "run", **EVERYTHING),
    ):
        training.run(**options)
    training.assert_nobody_listens()
    assert load_run(tmp_path / "run").info["status"] == "interrupted"
    if where == "update":
        handle.remove()
    with tianshou.attach(training.algorithm, training.buffer, out=tmp_path / "again"):
        training.run()  # the network is free for another


STOP = EVERYTHING | {"on_alarm": "stop", "reward_bound": 1e-6, "cost": "light", "every": 5}
STOP |= {"foresight": False}


@pytest.mark.parametrize("name", ["DQN", "SAC"])
def test_an_alarm_stops_the_trainer_by_its_own_way(tmp_path, name):
    without_entropy = {"alpha": FixedAlpha(1e-9)} if name == "SAC" else {}  # it is in the bound
    training = Training(name, **without_entropy)
    begin_at_zero(training.algorithm)
    with tianshou.attach(
        training.algorithm, training.buffer, out=tmp_path / "run", **STOP
    ) as monitor:
        stats = training.run()  # returns as at any early end
    assert 0 < stats.update_step < NUM_STEPS / 8
    assert monitor.stopped_by.rule == "soft_divergence"
    training.assert_nobody_listens()
    assert load_run(tmp_path / "run").info["status"] == "alarm"


def test_a_trainer_from_before_is_stopped_by_an_exception(tmp_path):
    training = Training("DQN")
    begin_at_zero(training.algorithm)
    trainer = training.algorithm.create_trainer(training.params())
    with (
        pytest.raises(DivergenceError, match="soft_divergence"),
        tianshou.attach(training.algorithm, training.buffer, out=tmp_path / "run", **STOP),
    ):
        trainer.run()
    training.assert_nobody_listens()


def test_other_algorithms_are_refused(tmp_path):
    other = Reinforce.__new__(Reinforce)
    with (
        pytest.raises(InvalidTypeError, match=r"DQN, DDPG, TD3 or SAC.*Reinforce.*qd.attach"),
        tianshou.attach(other, None, out=tmp_path / "run"),
    ):
        pass
    assert not (tmp_path / "run").exists()
