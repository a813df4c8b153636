"""The Gymnasium view."""

import subprocess
import sys

import numpy as np
import pytest

from qdiverge.mdp import MDP, as_environment
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


def test_the_package_imports_without_gymnasium():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import qdiverge.mdp as m, qdiverge.mdp.problems as p\n"
        "from qdiverge.errors import MissingExtraError\n"
        "try: m.as_environment(p.cliffwalk(3))\n"
        "except MissingExtraError as error: assert 'pip install' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
