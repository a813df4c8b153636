"""The Gymnasium view, and MDPs read out of Gymnasium's toy-text environments."""

import subprocess
import sys

import numpy as np
import pytest

from qdiverge.errors import InvalidTypeError
from qdiverge.mdp import MDP, as_environment, from_gymnasium, value_iteration
from qdiverge.mdp.problems import cliffwalk, garnet, random_gridworld

gymnasium = pytest.importorskip("gymnasium")


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("as_features", [False, True])
def test_the_view_passes_gymnasiums_own_checks(as_features):
    from gymnasium.utils.env_checker import check_env

    check_env(as_environment(random_gridworld(6), as_features=as_features), skip_render_check=True)


def test_returns_of_the_view_are_the_values():
    mdp = MDP(garnet(6, 2, 3, 0.8).transitions, np.arange(6.0), 0.8, start=2, horizon=60)
    found = value_iteration(mdp)
    env = as_environment(mdp)
    returns = []
    for episode in range(300):
        state, _ = env.reset(seed=episode)
        total, weight, over = 0.0, 1.0, False
        while not over:
            state, reward, terminated, truncated, _ = env.step(int(found.actions[state]))
            total, weight = total + weight * reward, weight * 0.8
            over = terminated or truncated
        returns.append(total)
    error = abs(np.mean(returns) - found.values[2])
    assert error <= 5 * np.std(returns) / np.sqrt(len(returns)) + 1e-4


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


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Taxi-v4", "CliffWalking-v1"])
def test_toy_text_values_are_what_an_episode_earns(name):
    env = gymnasium.make(name)
    mdp = from_gymnasium(env, discount=0.99)
    found = value_iteration(mdp)
    assert mdp.terminal[-1]
    returns = []
    for episode in range(120 if name == "FrozenLake-v1" else 20):
        state, _ = env.unwrapped.reset(seed=episode)
        total, weight = 0.0, 1.0
        for _ in range(1_000):
            state, reward, terminated, _, _ = env.unwrapped.step(int(found.actions[state]))
            total, weight = total + weight * reward, weight * 0.99
            if terminated:
                break
        returns.append(total)
    expected = mdp.start @ found.values
    assert abs(np.mean(returns) - expected) <= 5 * np.std(returns) / np.sqrt(len(returns)) + 1e-6


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
