"""The Gymnasium view, and MDPs read out of Gymnasium's toy-text environments."""

import subprocess
import sys

import numpy as np
import pytest

from qdiverge.errors import InvalidTypeError
from qdiverge.mdp import MDP, as_environment, from_gymnasium, value_iteration
from qdiverge.mdp.problems import cliffwalk, garnet, random_gridworld
from tests.chance import assert_drawn

gymnasium = pytest.importorskip("gymnasium")


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("as_features", [False, True])
def test_the_view_passes_gymnasiums_own_checks(as_features):
    from gymnasium.utils.env_checker import check_env

    check_env(as_environment(random_gridworld(6), as_features=as_features), skip_render_check=True)


def test_steps_of_the_view_are_those_of_the_mdp():
    """The first 400 successors of every pair are draws by its row of P; its reward is R(s, a)."""
    mdp = MDP(garnet(6, 2, 3, 0.8).transitions, np.arange(6.0), 0.8, start=2, horizon=60)
    env, rng = as_environment(mdp), np.random.default_rng(0)
    counts = np.zeros((6, 2, 6), int)
    for episode in range(200):
        state, _ = env.reset(seed=episode)
        assert state == 2
        for step in range(60):
            action = int(rng.integers(2))
            following, reward, terminated, truncated, _ = env.step(action)
            assert (reward, terminated) == (mdp.rewards[state, action], False)
            assert truncated == (step == 59)
            if counts[state, action].sum() < 400:
                counts[state, action, following] += 1
            state = following
    assert counts.sum() > 6 * 2 * 200
    for pair in np.ndindex(6, 2):
        assert_drawn(counts[pair], mdp.dense[pair])


def test_the_view_ends_and_truncates():
    env = as_environment(cliffwalk(3), as_features=True)
    first, _ = env.reset(seed=0)
    assert first.dtype == np.float32
    ends = [env.step(1)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (True, False)]
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(50)] == [False] * 49 + [True]
    with pytest.raises(gymnasium.error.ResetNeeded):
        as_environment(cliffwalk(3)).step(0)


@pytest.mark.parametrize("name", ["Taxi-v4", "CliffWalking-v1"])
def test_toy_text_values_are_what_an_episode_earns(name):
    """Nothing is random after the start, so that every episode earns its state's value."""
    env = gymnasium.make(name)
    mdp = from_gymnasium(env, discount=0.99)
    found = value_iteration(mdp, 1e-12)
    assert mdp.terminal[-1]
    for episode in range(20):
        state, _ = env.unwrapped.reset(seed=episode)
        expected, total, weight, terminated = found.values[state], 0.0, 1.0, False
        while not terminated and weight > 1e-6:
            state, reward, terminated, _, _ = env.unwrapped.step(int(found.actions[state]))
            total, weight = total + weight * reward, weight * 0.99
        assert total == pytest.approx(expected, abs=1e-9)


def test_toy_text_values_are_those_of_the_tables_own_chain():
    """FrozenLake slips: sweeps over the environment's own P under the policy that was found."""
    env = gymnasium.make("FrozenLake-v1")
    found = value_iteration(from_gymnasium(env, discount=0.99), 1e-12)
    P, values = env.unwrapped.P, [0.0] * 16
    for _ in range(4_000):  # 0.99^4000 < 1e-17
        for state in range(16):
            outcomes = P[state][int(found.actions[state])]
            values[state] = sum(p * (r + 0.99 * values[s] * (not end)) for p, s, r, end in outcomes)
    assert found.values[:16] == pytest.approx(values, abs=1e-9)


def test_cliff_walking_in_closed_form():
    mdp = from_gymnasium("CliffWalking-v1", discount=1.0)
    assert mdp.start @ value_iteration(mdp).values == -13


def test_an_environment_without_a_table_is_refused():
    with pytest.raises(InvalidTypeError, match="P\\[s\\]\\[a\\]"):
        from_gymnasium("CartPole-v1")


def test_the_package_imports_without_gymnasium():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import qdiverge.mdp as m, qdiverge.mdp.problems as p\n"
        "from qdiverge.errors import MissingExtraError\n"
        "for call in (lambda: m.as_environment(p.cliffwalk(3)), lambda: m.from_gymnasium('x')):\n"
        "    try: call()\n"
        "    except MissingExtraError as error: assert 'pip install' in str(error)\n"
        "    else: raise SystemExit('no error')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
