"""Stable-Baselines3 and sb3-contrib as installed: a watched model is the model nobody watched."""

import copy
import functools
import io
from dataclasses import fields
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from qdiverge.diagnostics.quiet import largest_value
from qdiverge.errors import InvalidTypeError, RunFolderError
from qdiverge.monitor.listening import HeardMethod
from qdiverge.rehearsal.batches import as_batches
from qdiverge.runs import load_run
from tests.integrations.same import LAST, assert_same, begin_at_zero, random_states

stable_baselines3 = pytest.importorskip("stable_baselines3")
sb3_contrib = pytest.importorskip("sb3_contrib")

from stable_baselines3.common.buffers import ReplayBuffer  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402

from qdiverge.integrations import sb3  # noqa: E402

NUM_STEPS = 160
TRAINED = {  # loss, critics
    "DQN": ("huber", 1), "DDPG": ("squared", 1), "TD3": ("squared", 2), "SAC": ("half_squared", 2)
}  # fmt: skip
SMALL = {"learning_starts": 40, "batch_size": 16, "buffer_size": 500, "seed": 1, "device": "cpu"}
DISCRETE = {"train_freq": 2, "target_update_interval": 40, "policy_kwargs": {"net_arch": [16]}}
QUANTILES = DISCRETE | {"policy_kwargs": {"net_arch": [16], "n_quantiles": 8}}
CONTINUOUS = {"policy_kwargs": {"net_arch": [12]}, "learning_rate": 3e-3}
MODELS = {
    "DQN": (stable_baselines3.DQN, "CartPole-v1", DISCRETE),
    "QRDQN": (sb3_contrib.QRDQN, "CartPole-v1", QUANTILES),
    "DDPG": (stable_baselines3.DDPG, "Pendulum-v1", CONTINUOUS),
    "TD3": (stable_baselines3.TD3, "Pendulum-v1", CONTINUOUS),
    "SAC": (stable_baselines3.SAC, "Pendulum-v1", CONTINUOUS),
}
EVERYTHING = {"every": 10, "max_overhead": None, "probe_size": 16, "probe_refresh_period": 20}


def make(name, **options):
    algorithm, environment, own = MODELS[name]
    return algorithm("MlpPolicy", environment, **copy.deepcopy(SMALL | own | options))


def state_of(model):
    """Weights, optimisers, replay memory and every global random state."""
    buffer = model.replay_buffer
    return {
        "parameters": model.get_parameters(),
        "buffer": [buffer.observations, buffer.actions, buffer.rewards, buffer.pos],
        "random": random_states(),
        "clock": model.num_timesteps,
    }


@functools.cache
def plain_state(name):
    return state_of(make(name).learn(NUM_STEPS))


def optimizer_of(model):
    return getattr(model.policy, "optimizer", None) or model.critic.optimizer


def assert_nobody_listens(model):
    for thing in (model, model.replay_buffer):
        for owner in type(thing).__mro__:
            assert not any(isinstance(value, HeardMethod) for value in vars(owner).values())
    assert not optimizer_of(model)._optimizer_step_post_hooks
    assert not optimizer_of(model)._optimizer_step_pre_hooks
    for module in model.policy.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks


@pytest.mark.parametrize("cost", ["light", "standard", "full"])
@pytest.mark.parametrize("name", MODELS)
def test_a_watched_model_is_the_model_nobody_watched(tmp_path, name, cost):
    model = make(name)
    callback = sb3.Callback(tmp_path / "run", cost=cost, **EVERYTHING)
    model.learn(NUM_STEPS, callback=callback)
    assert_same(state_of(model), plain_state(name))
    assert_nobody_listens(model)
    run = load_run(tmp_path / "run")
    has_map = name != "QRDQN"  # of quantiles nothing is said of a step
    assert ("diverge/spectral_radius" in run.series) == (cost == "full" and has_map)
    if cost == "full" and not has_map:
        assert "a quantile loss moves" in run.info["diagnostics_off"]["Stability"]
    series = run.series[f"diverge/{LAST[cost if has_map else 'light']}"]
    assert len(series.steps) >= 5
    assert np.isfinite(series.values).all()
    assert series.steps[-1] == NUM_STEPS  # the model's own clock
    assert run.info["config"]["algorithm"] == name
    assert run.info["config"]["optimizer"] == "Adam"
    assert run.info["config"]["learning_rate"] == pytest.approx(model.learning_rate)
    if name in ("DQN", "QRDQN"):  # Pendulum's episodes are longer than this
        episodes = [info["l"] for info in model.ep_info_buffer]
        returns = run.series["charts/episodic_return"]
        assert returns.values.tolist() == episodes  # a reward of 1 each step
        assert returns.steps.tolist() == np.cumsum(episodes).tolist()
    assert run.info["status"] == "finished"


@pytest.mark.parametrize("name", ["DQN", "SAC"])
def test_the_td_errors_are_the_models_own(tmp_path, name):
    """Those of the first batch, computed as the framework's train() does."""
    model = make(name, learning_starts=NUM_STEPS - 2)
    callback = sb3.Callback(tmp_path / "run", cost="light", **EVERYTHING | {"every": 1})
    model.learn(NUM_STEPS, callback=callback)
    moment = callback.monitor.moment()
    s, s2 = moment.batch.observations, moment.batch.next_observations
    with torch.no_grad():
        if name == "DQN":
            value = model.q_net_target(s2).amax(1)
            q = model.q_net(s).gather(1, moment.batch.actions[:, None]).squeeze(1)
        else:
            torch.manual_seed(0)  # what the monitor's policy draws from
            actions, log_probs = model.actor.action_log_prob(s2)
            value = torch.cat(model.critic_target(s2, actions), 1).amin(1)
            value = value - torch.exp(model.log_ent_coef) * log_probs
            q = model.critic(s, moment.batch.actions)[0].squeeze(1)
    expected = moment.batch.rewards + model.gamma * (1 - moment.batch.terminated) * value - q
    torch.testing.assert_close(moment.td_errors, expected)


class Probing(BaseCallback):
    """Does something in the middle of a watched training."""

    def __init__(self, action, at=100):
        super().__init__()
        self.action, self.at = action, at

    def _on_step(self):
        if self.num_timesteps == self.at:
            self.action(self.model)
        return True


def test_model_and_buffer_are_saved_while_watched(tmp_path):
    class OfAScript(ReplayBuffer):
        """A local class is pickled by value, with what stands in it."""

        def sample(self, batch_size, env=None):
            return super().sample(batch_size, env)

    saved: dict[str, Any] = {}

    def save(model):
        saved["model"], saved["buffer"] = io.BytesIO(), io.BytesIO()
        model.save(saved["model"])
        if type(model.replay_buffer) is ReplayBuffer:  # others' classes SB3 itself cannot pickle
            model.save_replay_buffer(saved["buffer"])
        saved["weights"] = {k: v.clone() for k, v in model.policy.state_dict().items()}

    for name, buffer in (("DQN", OfAScript), ("TD3", None)):
        model = make(name, replay_buffer_class=buffer)
        callbacks = [sb3.Callback(tmp_path / name, **EVERYTHING), Probing(save)]
        model.learn(NUM_STEPS, callback=callbacks)
        assert_nobody_listens(model)
        saved["model"].seek(0)
        loaded = type(model).load(saved["model"], env=model.get_env())
        assert_same(dict(loaded.policy.state_dict()), saved["weights"])
        assert "sample" in vars(loaded.replay_buffer_class)
        assert not isinstance(vars(loaded.replay_buffer_class)["sample"], HeardMethod)
        if buffer is None:
            saved["buffer"].seek(0)
            loaded.load_replay_buffer(saved["buffer"])
            assert loaded.replay_buffer.pos == 99  # the transition of step 100 was not yet stored
        loaded.learn(60)


class BreaksError(Exception):
    pass


class Breaking(gymnasium.Wrapper):
    def __init__(self, env, num_steps):
        super().__init__(env)
        self.num_steps = num_steps

    def step(self, action):
        if self.num_steps == 0:
            raise BreaksError
        self.num_steps -= 1
        return super().step(action)


@pytest.mark.parametrize("where", ["environment", "callback", "update"])
def test_nothing_is_left_behind_after_an_exception(tmp_path, where):
    def breaks(*_):
        raise BreaksError

    model = make("DQN")
    model.set_env(Breaking(gymnasium.make("CartPole-v1"), 100 if where == "environment" else 1000))
    acts = {
        "environment": lambda model: None,
        "callback": breaks,
        "update": lambda model: model.policy.optimizer.register_step_pre_hook(breaks),
    }
    callbacks = [sb3.Callback(tmp_path / "run", **EVERYTHING), Probing(acts[where])]
    with pytest.raises(BreaksError):
        model.learn(NUM_STEPS, callback=callbacks)
    model.policy.optimizer._optimizer_step_pre_hooks.clear()  # the test's own
    assert_nobody_listens(model)
    assert load_run(tmp_path / "run").info["status"] == "interrupted"
    model.set_env(gymnasium.make("CartPole-v1"))
    model.learn(20, callback=sb3.Callback(tmp_path / "again"))  # the network is free for another
    assert_nobody_listens(model)


@pytest.mark.parametrize("name", ["DQN", "TD3"])
def test_an_alarm_stops_the_model_by_its_own_way(tmp_path, name):
    model = make(name)
    begin_at_zero(model.policy)
    out = tmp_path / "run"
    options = EVERYTHING | {"on_alarm": "stop", "reward_bound": 1e-6, "foresight": False}
    callback = sb3.Callback(out, cost="light", **options)
    assert model.learn(NUM_STEPS, callback=callback) is model
    assert model.num_timesteps < NUM_STEPS
    assert callback.monitor.stopped_by.rule == "soft_divergence"
    assert_nobody_listens(model)
    assert load_run(out).info["status"] == "alarm"


def test_learning_twice_with_the_same_callback_goes_on_as_one_run(tmp_path):
    model, out = make("DQN"), tmp_path / "run"
    callback = sb3.Callback(out, every=5, max_overhead=None)
    model.learn(120, callback=callback)
    assert callback.monitor is not None
    first = callback.monitor.num_updates
    model.learn(120, callback=callback, reset_num_timesteps=False)
    assert callback.monitor.num_updates > first
    assert_nobody_listens(model)
    run = load_run(out)
    assert run.info["status"] == "finished"
    steps = run.series["diverge/q_abs_max"].steps
    assert list(steps) == sorted(steps)
    assert steps[0] < 120 < steps[-1]


def test_what_cannot_be_watched_is_said_before_training(tmp_path):
    for model in (
        stable_baselines3.PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32),
        sb3_contrib.TQC("MlpPolicy", "Pendulum-v1", **SMALL),
    ):
        with pytest.raises(InvalidTypeError, match=r"DQN, QR-DQN, DDPG, TD3 or SAC.*qd.attach"):
            model.learn(100, callback=sb3.Callback(tmp_path / "run"))
        assert model.num_timesteps == 0
    model = make("DQN")
    model.learn(60, callback=sb3.Callback(tmp_path / "run"))
    with pytest.raises(RunFolderError):
        model.learn(60, callback=sb3.Callback(tmp_path / "run"))
    assert_nobody_listens(model)


def test_n_step_returns_are_discounted_by_as_many(tmp_path):
    model = make("DQN", n_steps=3)
    callback = sb3.Callback(tmp_path / "run", **EVERYTHING)
    model.learn(80, callback=callback)
    assert callback.monitor.options.discount == pytest.approx(0.99**3)


@pytest.mark.parametrize("name", TRAINED)
def test_a_model_is_audited_and_nothing_is_found(tmp_path, name):
    loss, num_critics = TRAINED[name]
    callback = sb3.Callback(out=tmp_path / "run", audit_period=10, **EVERYTHING)
    make(name).learn(NUM_STEPS, callback=callback)
    monitor = callback.monitor
    assert [alarm for alarm in monitor.alarms if alarm.kind == "loop"] == []
    assert (monitor.loop_audit.num_undecided, monitor.loop_audit.why_not) == (0, "")
    assert monitor.loop_audit.num_audits >= 8
    rule = monitor.rule
    assert (rule.loss, rule.discount, rule.sources["discount"]) == (loss, 0.99, "seen")
    assert rule.critics == ("one" if num_critics == 1 else "min")
    seen = ("target_period", 20) if name == "DQN" else ("polyak", 0.005)
    assert getattr(rule, seen[0]) == seen[1]
    assert rule.averaging_period == (2 if name == "TD3" else 1)


ADAM = {
    "optimizer": "Adam", "momentum": 0.9, "gain": pytest.approx(0.1), "is_nesterov": False,
    "decay": 0.0, "coupled_decay": 0.0, "is_preconditioned": True, "not_modelled": "",
}  # fmt: skip
GIVEN = {"bootstrap": "target_q", "clipping": None, "critics": "min", "loss_factor": 1.0}
SETTINGS = {  # model and options → what the filled rule must be, by the model's own settings
    "DQN": ("DQN", {}, {"loss": "huber", "clipping": 10, "critics": "one", "target_period": 20}),
    "DQN, three steps": (
        "DQN", {"n_steps": 3, "gamma": 0.95},
        {"loss": "huber", "clipping": 10, "critics": "one", "target_period": 20,
         "discount": pytest.approx(0.95**3)},
    ),
    "DQN, averaged": (
        "DQN", {"tau": 0.5, "target_update_interval": 6, "gradient_steps": 2, "max_grad_norm": 3.0},
        {"loss": "huber", "clipping": 3.0, "critics": "one", "polyak": 0.5, "averaging_period": 6},
    ),
    "DQN, out of step": (
        "DQN", {"target_update_interval": 5},
        {"loss": "huber", "clipping": 10, "critics": "one", "target_period": None},
    ),
    "DDPG": ("DDPG", {"tau": 0.02}, {"loss": "squared", "critics": "one", "polyak": 0.02}),
    "TD3": ("TD3", {"policy_delay": 3, "gamma": 0.9},
            {"loss": "squared", "polyak": 0.005, "averaging_period": 3, "discount": 0.9}),
    "SAC, learned": ("SAC", {}, {"loss": "half_squared", "polyak": 0.005}),
    "SAC, fixed": (
        "SAC", {"ent_coef": 0.3},
        {"loss": "half_squared", "polyak": 0.005, "entropy_coefficient": pytest.approx(0.3)},
    ),
    "SAC, now and then": (
        "SAC", {"gradient_steps": 4, "train_freq": 4, "target_update_interval": 2},
        {"loss": "half_squared", "polyak": 0.005, "averaging_period": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_the_rule_is_the_models_own_and_says_where_each_field_is_from(tmp_path, case):
    name, options, expected = SETTINGS[case]
    model = make(name, **options)
    callback = sb3.Callback(out=tmp_path / "run", audit_period=10, **EVERYTHING)
    model.learn(NUM_STEPS, callback=callback)
    rule = callback.monitor.rule
    if name == "SAC" and "ent_coef" not in options:
        entropy = float(model.log_ent_coef.detach().exp())
        assert 0 < entropy < 1  # it has learnt
        expected = expected | {"entropy_coefficient": pytest.approx(entropy)}
    none = {"target_period": None, "polyak": None, "averaging_period": 1, "critic_subset": None}
    rest: dict[str, Any] = {"entropy_coefficient": 0.0, "discount": 0.99, "has_weights": False}
    rest |= {"learning_rate": pytest.approx(optimizer_of(model).param_groups[0]["lr"])}
    whole = none | rest | ADAM | GIVEN | expected
    assert {f.name: getattr(rule, f.name) for f in fields(rule) if f.name != "sources"} == whole
    sources = dict.fromkeys((*ADAM, "learning_rate"), "optimizer")
    sources |= dict.fromkeys(("discount", "loss_factor", "has_weights"), "seen")
    moves = ("target_period", "polyak", "averaging_period")
    sources |= {n: "seen" for n in moves if getattr(rule, n) != none[n]} | {"critics": "given"}
    sources |= {"entropy_coefficient": "given"} if name == "SAC" else {}
    assert {field: rule.sources[field] for field in sources} == sources
    for field in ("loss", "bootstrap", "clipping"):  # seen where a gradient told
        assert rule.sources[field] in ("given", "seen")
    assert set(rule.assumed) <= {*none, "entropy_coefficient"}


def test_what_the_settings_say_is_there_before_anything_is_seen(tmp_path):
    model = make("TD3", policy_delay=3, learning_starts=NUM_STEPS)
    callback = sb3.Callback(out=tmp_path / "run", **EVERYTHING)
    model.learn(60, callback=callback)
    rule = callback.monitor.rule
    assert (rule.polyak, rule.averaging_period) == (0.005, 3)
    given = ("polyak", "averaging_period", "clipping", "critics", "loss", "discount", "bootstrap")
    assert {rule.sources[name] for name in given} == {"given"}


def test_quantiles_are_not_audited_and_say_so(tmp_path):
    callback = sb3.Callback(out=tmp_path / "run", **EVERYTHING)
    make("QRDQN").learn(NUM_STEPS, callback=callback)
    assert load_run(tmp_path / "run").info["audit"]["why_not"].startswith("its loss is known by")


def sizes_of(model, num_steps):
    """Return max|Q| before each update of a model that learns, and at its end."""
    networks, sizes, probes = [sb3.watched(model)["q_network"]], [], []
    buffer = model.replay_buffer
    plain = buffer.sample

    def look():
        batch = probes[0].transitions
        actions = batch.actions if batch.actions.is_floating_point() else None
        sizes.append(largest_value(networks, batch.observations, actions, is_quiet=False))

    def hear(*args, **kwargs):
        if not probes:  # what copies are watched on
            draw = partial(plain, model.batch_size)
            probes.append(as_batches(draw, None, torch.device("cpu"), torch.float32).probe())
        look()
        return plain(*args, **kwargs)

    buffer.sample = hear
    model.learn(num_steps)
    del buffer.sample
    look()
    return sizes


FURTHER = [
    ("DQN", {"n_steps": 3}),
    ("DQN", {"learning_rate": lambda left: 0.01 * left}),
    ("QRDQN", {"n_steps": 3, "max_grad_norm": 0.1}),
    ("TD3", {"n_steps": 2}),
    ("SAC", {"n_steps": 3}),
    ("SAC", {"ent_coef": 0.2}),
    ("SAC", {"use_sde": True}),
]


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in MODELS), *FURTHER])
def test_a_copy_of_a_model_goes_on_as_the_model_does(tmp_path, name, options):
    sizes = sizes_of(make(name, **options), 130)
    model = make(name, **options)
    callback = sb3.Callback(tmp_path / "run", **EVERYTHING, reward_bound=1e3)
    model.learn(130, callback=callback)
    foresight = callback.monitor.foresight
    assert (foresight.why_not, foresight.why_not_live) == ("", "")
    assert (foresight.latest.update, foresight.latest.evidence) == (0, "live")
    own = foresight.latest.own
    assert own["updates"][-1] == len(sizes) - 1
    assert own["median"] == [sizes[int(k)] for k in own["updates"]]


def test_a_remedy_of_the_learning_rate_is_rehearsed_as_the_model_would_learn_by_it(tmp_path):
    """SB3 sets the learning rate anew at each update: a copy's optimiser alone would forget it."""
    rate = 0.004
    sizes = sizes_of(make("DQN", learning_rate=rate), 130)
    slower = sizes_of(make("DQN", learning_rate=rate / 4), 130)
    bound = 1.1 * sizes[0]
    assert max(sizes) > 1.25 * bound
    callback = sb3.Callback(tmp_path / "run", **EVERYTHING, reward_bound=bound * (1 - 0.99))
    make("DQN", learning_rate=rate).learn(130, callback=callback)
    forecast = callback.monitor.foresight.latest
    assert not callback.monitor.foresight.why_not_live
    assert (forecast.update, forecast.evidence, forecast.is_call) == (0, "live", True)
    curve = forecast.remedies["learning rate / 4"]
    assert len(curve["updates"]) > 5
    assert curve["median"] != [sizes[int(k)] for k in curve["updates"]]
    assert curve["median"] == [slower[int(k)] for k in curve["updates"]]


def test_what_a_user_says_of_copies_and_of_the_rule_stands_beside_what_the_model_says(tmp_path):
    foresight = {"apply": print, "num_updates": 7}
    callback = sb3.Callback(tmp_path / "run", foresight=foresight, rule={"clipping": 3.0})
    make("DQN").learn(60, callback=callback)
    options, rule = callback.monitor.foresight.options, callback.monitor.rule
    assert (options.apply, options.num_updates) == (print, 7)
    assert None not in (options.data, options.live, options.num_rows)
    assert (rule.clipping, rule.sources["clipping"]) == (3.0, "given")
    assert rule.sources["critics"] == "given"


def test_a_model_learns_while_another_is_watched(tmp_path):
    """The copies of the second one draw from a class whose ``sample`` is heard for the first."""
    models = [
        stable_baselines3.DQN(
            "MlpPolicy", "CartPole-v1", learning_starts=50, seed=seed, device="cpu",
            policy_kwargs={"net_arch": [8]},
        )
        for seed in range(2)
    ]  # fmt: skip
    callbacks = [
        sb3.Callback(out=tmp_path / name, max_overhead=None, every=10) for name in ("one", "two")
    ]
    models[0]._setup_learn(200, callbacks[0])
    callbacks[0].init_callback(models[0])
    callbacks[0].on_training_start({}, {})
    models[1].learn(200, callback=callbacks[1])
    callbacks[0].on_training_end()
    assert callbacks[1].monitor.foresight.num_forecasts > 0
    assert "monitor_failures" not in load_run(tmp_path / "two").info
