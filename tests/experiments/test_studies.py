"""The studies: their mathematics where there is a closed form, their cells, a tiny run of each."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import experiments.deadly_triad.agents as triad
import experiments.overestimation.agents as promises
import experiments.preqn.agents as preqn
from experiments.atari import sweep as atari
from experiments.deadly_triad import sweep as triad_sweep
from experiments.deadly_triad.run import fractions
from experiments.growth_law import laws
from experiments.growth_law.blow_up import END, mean_abs_q
from experiments.layer_norm import training
from experiments.overestimation.estimators import noisy_estimates
from experiments.preqn import sweep as preqn_sweep
from experiments.target_period.problems import linear, make
from experiments.target_period.sweep import growth_rate, outcome
from experiments.tracing import trace
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.mdp.problems import baird
from qdiverge.transitions import Transitions
from tests.chance import SIGMAS

TINY = DQNConfig(
    environment="CartPole-v1", total_steps=160, num_envs=1, buffer_size=200, learning_starts=80,
    train_period=2, target_period=40, hidden_sizes=(8,), exploration_steps=100,
)  # fmt: skip


def test_a_run_is_bit_identical_with_and_without_being_followed():
    followed = []
    found = trace(TINY, 10, finish=lambda trainer: followed.append(trainer.q_network.state_dict()))
    alone = Trainer(TINY)
    list(alone.run())
    for name, weight in alone.q_network.state_dict().items():
        assert torch.equal(weight, followed[0][name])
    assert len(found.samples) == 10
    assert all(-1 <= sample.alignment <= 1 for sample in found.samples)


def test_a_small_sgd_step_on_one_layer_is_aligned_as_its_kernel_says():
    """ΔQ = α K δ, exactly for one layer: its inner product with δ is positive for any K ≥ 0."""
    config = replace(TINY, hidden_sizes=(), optimizer="sgd", learning_rate=1e-3, loss="mse")
    found = trace(config, 10)
    assert min(sample.alignment for sample in found.samples) > 0


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_exponent_of_an_exact_blow_up_and_its_crash(depth):
    p = (2 * depth - 2) / depth
    t = np.arange(0.0, 9_990.0)
    q = (1 - t / 10_000) ** (-1 / p)  # dQ/dt ∝ Q^{1+p}, ∞ at t = 10,000
    assert laws.growth_exponent(q) == pytest.approx(laws.expected_exponent(depth, "sgd"), rel=0.05)
    seen = laws.forecasts(q, depth, "sgd", end=len(q) - 1, count=5)
    assert seen["time"] == pytest.approx([10_000] * 5, rel=1e-3)


def test_a_network_blows_up_under_sgd_and_faster_than_exponentially():
    """All of 60 seeds did, after 250 ± 70 updates: from 10 to 100 in a tenth of 1 to 10."""
    q = mean_abs_q(2, "sgd", 0.05, 16, 2_000, seed=0)
    assert q[-1] >= END
    assert laws.end_of(q, "sgd", END) == len(q) - 1
    first, later, last = (int(np.flatnonzero(q > level)[0]) for level in (1, 10, 100))
    assert last - later < (later - first) / 2


def test_self_excitation_of_w_to_2w_and_a_tiny_run():
    q_net = nn.Linear(1, 1, bias=False)
    s, a, zero = torch.ones(4, 1), torch.zeros(4, dtype=torch.int64), torch.zeros(4)
    batch = Transitions(s, a, zero, 2 * s, zero.bool())
    top, scale = training.self_excitation(q_net, batch)
    assert top == pytest.approx(2 * training.DISCOUNT - 1)
    assert scale == pytest.approx(1.0)
    row = training.train("CartPole-v1", True, 3e-3, num_updates=4, num_looks=2, seed=0)
    assert row["update"] == [0, 2, 4]
    assert not row["diverged"]


def test_layer_norm_bounds_what_moves_far_away():
    """k(100x, x) is about k(x, x) with layer norm, and without it about 100 k(x, x).

    But for its biases, a ReLU network is homogeneous in its input. One action is greedy for sure.
    Of 60 seeds the ratios were 0.002 to 0.03, and 34 to 83.
    """
    from qdiverge.agents.networks import MLP

    ratios = {}
    for layer_norm in (False, True):
        torch.manual_seed(0)
        q_net = MLP([2, 32, 1], layer_norm=layer_norm)
        s, a = torch.randn(16, 2), torch.zeros(16, dtype=torch.int64)
        zero = torch.zeros(16)
        batch = Transitions(s, a, zero, 100 * s, zero.bool())
        top, scale = training.self_excitation(q_net, batch)
        ratios[layer_norm] = top / scale
    assert ratios[False] > 10 > 1 > ratios[True]


def test_bairds_star_grows_as_foreseen_under_every_period():
    case = linear(baird(0.95))
    for period, is_stable in ((1, False), (3, False), (10, True)):
        row = outcome(case, period, least=1_500)
        assert row["foreseen_stable"] is row["trained_stable"] is is_stable
        assert row["measured_rate"] == pytest.approx(row["foreseen_rate"], rel=0.1)


def test_growth_rate_at_its_ends():
    assert growth_rate(0.5 ** np.arange(10)[:, None]) == pytest.approx(-math.log(2))
    assert growth_rate(np.ones((10, 1))) == -math.inf
    assert growth_rate(np.array([[1.0], [math.nan]])) == math.inf


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_small_network_regresses_stably_towards_a_frozen_target(activation):
    case = make("network", activation, seed=0)
    q = case.train(20, 20)
    assert q.shape == (2, 12)
    assert np.isfinite(q).all()


def test_two_noisy_estimates_have_the_known_maximum():
    row = noisy_estimates(2, seed=0)
    assert row["single"] == pytest.approx(1 / math.sqrt(math.pi), abs=SIGMAS * row["single_error"])
    assert abs(row["double"]) < SIGMAS * row["double_error"]
    assert row["bound"] <= row["single"] + SIGMAS * row["single_error"]
    assert abs(row["least_excess"]) < 1e-12  # m = 2: the bound is attained


def test_what_an_agent_promises_is_held_against_what_it_earns(monkeypatch):
    monkeypatch.setattr(promises, "SHORT", TINY)
    monkeypatch.setattr(promises, "NUM_EPISODES", 2)
    row = promises.follow(promises.config_of("CartPole-v1", "double_q", 1), num_looks=2)
    assert [len(row[name]) for name in ("step", "predicted", "realised", "score")] == [2] * 4
    assert 0 < row["realised"][0] < 100
    assert row["end"] == "total_steps"


def test_one_factor_at_a_time_changes_one_factor():
    for setting in triad_sweep.one_at_a_time()[1:]:
        assert sum(setting[name] != level for name, level in triad_sweep.BASE.items()) == 1


def test_fractions_count_each_level_at_the_base_of_the_others():
    records = [
        {**setting, "soft_divergent": setting["bootstrap"] == "q"}
        for setting in triad_sweep.one_at_a_time()
        for _ in range(3)
    ]
    rows = {(row["factor"], row["level"]): row for row in fractions(records)}
    assert rows["bootstrap", "q"]["count"] == 3
    assert rows["bootstrap", "double_q"]["count"] == 0
    assert all(row["total"] == 3 for row in rows.values())
    factorial = [{**setting, "soft_divergent": True} for setting in triad_sweep.factorial()]
    assert all(row["total"] in (48, 64) for row in fractions(factorial))


@pytest.mark.parametrize("setting", [{"priority": 0.6}, {"n_step": 3, "bootstrap": "double_q"}])
def test_a_tiny_run_of_the_triad(setting, monkeypatch, tmp_path):
    short = replace(triad.SHORT, total_steps=170, learning_starts=150, buffer_size=200)
    monkeypatch.setattr(triad, "SHORT", short)
    cell = triad_sweep.BASE | setting | {"environment": "MinAtar/Asterix-v1", "seed": 0}
    row = triad_sweep.run(cell | {"learning_rate": 0.1}, tmp_path)
    assert row["bound"] == pytest.approx(100)
    assert row["max_abs_q"] > 0
    assert row["soft_divergent"] is (row["max_abs_q"] > 100)


def test_every_cell_of_the_triad_and_of_preqn_is_a_valid_configuration():
    for is_full in (False, True):
        for cell in triad_sweep.cells(is_full)[:: 7 if is_full else 1]:
            assert triad.config_of(cell).bootstrap_rule == cell["bootstrap"]
        for cell in preqn_sweep.cells(is_full):
            assert preqn.config_of(cell).has_target_network is (cell["method"] == "target")


def test_preqn_is_aligned_as_asked_and_plain_steps_need_not_be(monkeypatch, tmp_path):
    short = replace(preqn.CARTPOLE, total_steps=160, learning_starts=80, buffer_size=200)
    monkeypatch.setattr(preqn, "CARTPOLE", short)
    monkeypatch.setattr(preqn_sweep, "NUM_EPISODES", 1)
    for method, step in (("undamped", 1.0), ("no_target", 1e-3)):
        cells = preqn_sweep.cells(False)
        cell = next(c for c in cells if c["method"] == method and c["step"] == step)
        row = preqn_sweep.run(cell, tmp_path)
        assert row["updates"] == 40
        assert row["greedy"] > 0
        if method == "undamped":
            assert row["share_aligned"] == row["share_moved"]


@pytest.mark.slow
def test_a_tiny_run_of_breakout_has_held_out_values(tmp_path):
    row = atari.run(atari.TINY | {"steps": 1_200, "warm_up": 1_190}, tmp_path)
    assert row["held_out_q"]["step"][-1] == 1_200
    assert all(math.isfinite(value) for value in row["held_out_q"]["value"])
