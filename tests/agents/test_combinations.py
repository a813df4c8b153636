"""Every two switches together, every one alone, and every setting that would have no effect."""

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch

from qdiverge.agents.records import UpdateRecord
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.dqn_rules import SWITCHED_OFF, UNREAD_IN
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.errors import InvalidValueError

TINY = DQNConfig(
    environment="CartPole-v1",
    total_steps=44,
    num_envs=2,
    learning_starts=28,
    buffer_size=100,
    batch_size=4,
    train_period=2,
    target_period=4,
    hidden_sizes=(8,),
    learning_rate=0.05,
    epsilon_end=0.05,
    exploration_steps=30,
)
SWITCHES: dict[str, dict[str, Any]] = {  # a part, and what it rests on
    "double": {"double": True},
    "q": {"bootstrap": "q"},
    "inverse_double_q": {"bootstrap": "inverse_double_q"},
    "polyak": {"polyak": 0.1},
    "dueling": {"dueling": True},
    "layer_norm": {"layer_norm": True},
    "noisy": {"noisy": True},
    "n_step": {"n_step": 3},
    "prioritized": {"prioritized": True},
    "distributional": {"distributional": True, "value_min": 0.0, "value_max": 20.0},
    "optimistic": {"optimistic_value": 5.0},
    "boltzmann": {"exploration": "boltzmann", "temperature_start": 0.5, "noisy": False},
    "mse": {"loss": "mse", "distributional": False},
    "clip": {"clip_rewards": True},
    "rmsprop": {"optimizer": "rmsprop"},
    "nature_rmsprop": {"optimizer": "nature_rmsprop"},
    "sgd": {"optimizer": "sgd"},
    "strict": {"overlap": False},
    "bfloat16": {"precision": "bfloat16"},
}
REFUSED_PAIRS = (("double", "q"), ("double", "inverse_double_q"), ("q", "polyak"))


def go_together(one, other):
    """Whether two switches are not refused together, nor give one setting two values."""
    first, second = SWITCHES[one], SWITCHES[other]
    is_clear = all(first[name] == second[name] for name in first.keys() & second.keys())
    return is_clear and (one, other) not in REFUSED_PAIRS


PAIRS = [pair for pair in itertools.combinations(SWITCHES, 2) if go_together(*pair)]


def updates_of(config):
    records = list(Trainer(config, log_period=1).run())
    return [
        dataclasses.replace(record, steps_per_second=0.0)
        for record in records
        if isinstance(record, UpdateRecord)
    ]


# so that updates change what is greedy: of 24 seeds the last to differ by a switch did at update 20
LONGER = TINY.adapted(total_steps=300, target_period=20, learning_rate=0.2)


@pytest.fixture(scope="module")
def plain():
    return updates_of(LONGER)


@pytest.mark.parametrize("first", SWITCHES)
def test_every_pair_of_switches_learns(first):
    for one, other in PAIRS:
        if one == first:
            config = TINY.adapted(**SWITCHES[one], **SWITCHES[other])
            assert all(getattr(config, k) == v for k, v in SWITCHES[one].items())
            updates = updates_of(config)
            assert len(updates) == 8, (one, other)
            assert all(math.isfinite(update.loss) for update in updates), (one, other)


@pytest.mark.parametrize(("one", "other"), REFUSED_PAIRS)
def test_switches_that_exclude_each_other_are_refused(one, other):
    with pytest.raises(InvalidValueError, match=r"\. .*(leave|Give|Take)"):
        TINY.adapted(**SWITCHES[one], **SWITCHES[other])


@pytest.mark.parametrize("name", sorted(SWITCHES.keys() - {"clip"}))  # CartPole pays 1 a step
def test_every_switch_alone_changes_the_run(name, plain):
    assert updates_of(LONGER.adapted(**SWITCHES[name])) != plain


def test_all_of_rainbow_at_once_is_a_function_of_its_configuration():
    parts = ("double", "dueling", "noisy", "n_step", "prioritized", "distributional", "layer_norm")
    config = TINY.adapted(**{k: v for part in parts for k, v in SWITCHES[part].items()})
    state = torch.get_rng_state()
    first, second = updates_of(config), updates_of(config)
    assert first == second
    assert first != updates_of(dataclasses.replace(config, seed=2))
    assert torch.equal(state, torch.get_rng_state())


REFUSED = [
    ({"priority_beta": 0.5}, "priority_beta would have no effect: only prioritised"),
    ({"priority_exponent": 0.5}, "Add prioritized, or leave priority_exponent out"),
    ({"num_atoms": 11}, "Add distributional, or leave num_atoms out"),
    ({"value_max": 5.0}, "Add distributional"),
    ({"distributional": True, "loss": "mse"}, "by its cross-entropy; got 'mse'"),
    ({"polyak": 0.1, "target_period": 5}, "Drop polyak, or leave target_period out"),
    ({"bootstrap": "q", "target_period": 5}, "no target network to move"),
    ({"use_target_network": False, "target_period": 5}, "no target network to move"),
    ({"temperature_end": 0.5}, "Take the exploration boltzmann"),
    ({"exploration": "boltzmann", "epsilon_end": 0.5}, "a temperature in place of ε"),
    ({"noisy": True, "epsilon_end": 0.5}, "in place of ε; got 0.5. Drop noisy"),
    ({"noisy": True, "exploration_steps": 5}, "Drop noisy, or leave exploration_steps out"),
    ({"noisy": True, "exploration": "boltzmann"}, "noisy weights explore by themselves"),
    ({"optimizer": "sgd", "adam_epsilon": 0.1}, "Take the optimizer adam"),
    ({"double": True, "bootstrap": "target_q"}, "double means the bootstrap double_q"),
    ({"double": True, "use_target_network": False}, "needs a target network"),
    (
        {"distributional": True, "optimistic_value": 10.0},
        "strictly between value_min and value_max",
    ),
    ({"optimistic_value": math.nan}, "optimistic_value must be a finite number"),
    ({"distributional": True, "value_min": 3.0, "value_max": 3.0}, "a number below value_max"),
    ({"distributional": True, "value_max": math.inf}, "a number below value_max"),
    ({"distributional": True, "num_atoms": 1}, "num_atoms must be an integer of at least 2"),
    ({"exploration": "softmax"}, "exploration must be one of epsilon_greedy, boltzmann"),
    ({"exploration": "boltzmann", "temperature_end": 0.0}, "temperature_end"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED)
def test_what_has_no_effect_or_no_meaning_is_refused(options, says):
    with pytest.raises(InvalidValueError, match=says):
        DQNConfig(**options)


@pytest.mark.parametrize(
    ("environment", "options", "says"),
    [
        ("ALE/Pong-v5", {"hidden_sizes": (64,)}, "only the MLP"),
        ("MinAtar/Breakout-v1", {"hidden_sizes": (64,)}, "only the MLP"),
        ("MinAtar/Breakout-v1", {"noop_max": 5}, "no-ops"),
        ("CartPole-v1", {"noop_max": 5}, "no-ops"),
        ("MinAtar/Breakout-v1", {"full_action_space": True}, "share 18 actions"),
        ("CartPole-v1", {"terminal_on_life_loss": True}, "lives"),
        ("CartPole-v1", {"repeat_action_probability": 0.0}, "sticky actions"),
        ("CartPole-v1", {"max_episode_frames": 500}, "count frames"),
    ],
)
def test_settings_of_another_environment_are_refused_before_anything_is_allocated(
    environment, options, says
):
    config = DQNConfig(environment=environment, buffer_size=10**12, **options)
    with pytest.raises(InvalidValueError, match=says):  # and not that such a replay cannot fit
        Trainer(config)


def test_the_widths_of_an_mlp_are_not_scaled():
    config = DQNConfig(environment="CartPole-v1", buffer_size=100, width_factor=2.0)
    with pytest.raises(InvalidValueError, match="the MLP's widths are hidden_sizes"):
        Trainer(config)


def test_every_rule_names_settings_that_there_are():
    names = {field.name for field in dataclasses.fields(DQNConfig)}
    for rule in (*SWITCHED_OFF, *itertools.chain(*UNREAD_IN.values())):
        assert set(rule.settings) <= names


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_every_preset_can_be_given_every_part(name, switch):
    options = {"buffer_size": 1_000, **SWITCHES[switch]}
    adapted = PRESETS[name].adapted("task", environment="CartPole-v1", **options)
    assert all(getattr(adapted, key) == value for key, value in options.items())
    assert adapted.learning_rate == PRESETS[name].learning_rate


@pytest.mark.parametrize(("environment", "is_clipped"), [("CartPole-v1", False), ("Pong", True)])
@pytest.mark.parametrize("given", [None, False, True])
def test_rewards_are_clipped_on_atari_alone_where_nobody_says(environment, is_clipped, given):
    config = DQNConfig(environment=environment, num_envs=1, buffer_size=100, clip_rewards=given)
    trainer = Trainer(config)
    trainer.close()
    assert trainer.config.sampling.clip_rewards is (is_clipped if given is None else given)
    assert trainer.sampler.settings == trainer.config.sampling
