"""The problems: closed forms, counts, and where each starts and ends."""

import numpy as np
import pytest
from scipy.linalg import expm

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import MDP, UnreachableStartError, td_matrix, value_iteration
from qdiverge.mdp.problems import (
    Spiral,
    baird,
    baird_mdp,
    boyan_chain,
    cliffwalk,
    four_rooms,
    garnet,
    gridworld,
    kolter,
    mountain_car,
    nearest_averager,
    pendulum,
    random_gridworld,
    sparse_graph,
    w_to_2w,
)
from qdiverge.mdp.problems.grid import deterministic, with_slip
from qdiverge.mdp.problems.spiral import START, TURN, WALK


@pytest.mark.parametrize(
    ("mdp", "num_states", "num_actions", "num_terminal"),
    [
        (baird_mdp(), 7, 2, 0),
        (w_to_2w().mdp, 3, 1, 1),
        (kolter(0.5).mdp, 2, 1, 0),
        (boyan_chain().mdp, 13, 1, 1),
        (Spiral().mdp, 3, 1, 0),
        (cliffwalk(), 26, 2, 1),
        (four_rooms(), 105, 4, 1),
        (random_gridworld(16), 256 - 51, 5, 0),
        (random_gridworld(64), 4096 - 819, 5, 0),
        (pendulum(), 32 * 32, 5, 0),
        (mountain_car(), 56 * 32 + 1, 3, 1),
        (sparse_graph(), 501, 3, 1),
        (garnet(30, 3, 4), 30, 3, 0),
    ],
    ids=lambda value: value.name if isinstance(value, MDP) else "",
)
def test_sizes_and_ends(mdp, num_states, num_actions, num_terminal):
    assert (mdp.num_states, mdp.num_actions) == (num_states, num_actions)
    assert mdp.terminal.sum() == num_terminal
    assert mdp.features.shape[0] == num_states
    for array in (mdp.transitions.data, mdp.rewards, mdp.features):
        assert np.isfinite(array).all()


def test_baird_spectrum():
    problem = baird(0.99)
    eigenvalues = np.sort(np.linalg.eigvalsh(problem.kernel))
    assert np.allclose(eigenvalues, [2, 4, 4, 4, 4, 4, 13])
    AD = (problem.successor_kernel(problem.weights) - problem.kernel) / 7
    found = np.sort(np.linalg.eigvals(AD).real)
    assert np.allclose(found[:5], -4 / 7)
    assert np.allclose(found[5:], [0.0221781, 0.2392505], atol=5e-8)


def test_baird_has_the_target_policy_that_its_chain_says():
    assert np.array_equal(baird().mdp.dense[:, 0], baird_mdp().dense[:, 0])
    assert np.allclose(baird_mdp().dense[:, 1, :6], 1 / 6)


def test_the_spiral_solves_its_equation():
    spiral = Spiral()
    generator = TURN + spiral.epsilon * np.eye(3)
    for w in (-1.0, 0.0, 2.5, 60.0):
        slope = spiral.value(w + 1e-30j).imag / 1e-30  # the complex step has no cancellation
        scale = np.abs(slope).max()
        assert np.abs(slope - generator @ spiral.value(w)).max() <= 1e-13 * scale
        assert np.abs(slope - spiral.gradient(w)).max() <= 1e-13 * scale
    matrix = expm(generator * 2.5) @ START
    assert np.abs(matrix - spiral.value(2.5)).max() <= 1e-11 * np.abs(matrix).max()
    assert np.allclose(WALK.sum(0), 1)  # uniform is stationary: on-policy


def test_the_spiral_runs_away_on_time():
    """w(t) = −ln(1 − t/T)/(2ε) on the mean path, so its error at 0.9 T is of first order in α."""
    spiral = Spiral()
    T = spiral.blow_up_time
    errors = []
    for num in (1_000, 2_000):
        path = spiral.run(num, 0.9 * T / num)
        assert (np.diff(path) > 0).all()
        errors.append(abs(path[-1] + np.log(1 - 0.9) / (2 * spiral.epsilon)))
    assert errors[1] < 0.1
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert spiral.drift(7.0) == pytest.approx(spiral.drift(0.0) * np.exp(0.7))
    assert Spiral(discount=0.0).drift(3.0) < 0  # regression to 0 comes back
    assert Spiral(discount=0.0).blow_up_time == np.inf


@pytest.mark.parametrize(("epsilon", "p"), [(0.0, 0.715045), (0.001, 0.711397)])
def test_kolter_is_singular_at(epsilon, p):
    below, above = (td_matrix(kolter(p + shift, epsilon))[0, 0] for shift in (-1e-6, 1e-6))
    assert below > 0 > above


def test_four_rooms_moves_fail_a_third_of_the_time():
    mdp = four_rooms()
    up, down = mdp.dense[0, 0], mdp.dense[0, 1]
    assert up[0] == pytest.approx(2 / 3 + 1 / 9)  # up and left bump into the corner
    assert down[0] == pytest.approx(2 / 9)
    with pytest.raises(UnreachableStartError, match="free cell"):
        four_rooms(goal=(0, 5))


def test_gridworld_values_are_powers_of_the_discount():
    for rows, num_steps in ((["S..", "..G"], 3), (["S#G", "..."], 4)):
        once = value_iteration(gridworld(rows, 0.9), 1e-12)
        assert once.values[0] == pytest.approx(0.9**num_steps)
        forever = value_iteration(gridworld(rows, 0.9, absorbing=False), 1e-12)
        assert forever.values[0] == pytest.approx(0.9**num_steps / (1 - 0.9))


def test_walls_may_not_cut_off_the_goal():
    with pytest.raises(UnreachableStartError, match=r"\(0, 0\) to \(0, 2\)"):
        gridworld(["S#G"])
    for rows in (["S."], ["SG", "S."], ["S", "G."]):
        with pytest.raises(InvalidValueError):
            gridworld(rows)


def test_slip_mixes_the_actions():
    P = deterministic(np.array([[0, 1], [1, 1]]))
    slipped = with_slip(P, 2, 0.2).toarray()
    assert np.allclose(slipped[0], [0.9, 0.1])
    assert np.allclose(slipped.sum(1), 1)


def test_random_gridworlds_reward_one_at_the_goal_and_zero_at_the_start():
    for seed in range(3):
        mdp = random_gridworld(16, seed=seed)
        assert mdp.rewards.max() == 1
        assert mdp.rewards[mdp.start.argmax()].max() == 0
        assert mdp.reachable[mdp.rewards[:, 0].argmax()]
    assert np.array_equal(random_gridworld(8).dense, random_gridworld(8, "random").dense)
    assert random_gridworld(16).features.sum(1).tolist() == [2.0] * 205
    assert random_gridworld(16, "random").features.shape == (205, 16)
    with pytest.raises(InvalidValueError, match="observations"):
        random_gridworld(16, "pixels")


def test_the_pendulum_moves_as_gymnasiums_does():
    gymnasium = pytest.importorskip("gymnasium")
    classic = pytest.importorskip("gymnasium.envs.classic_control.pendulum")
    assert gymnasium.__version__
    env = classic.PendulumEnv()
    env.reset(seed=0)
    mdp = pendulum(64, 5)
    for state in (100, 2_000, 3_111):
        θ, ω = np.arctan2(*mdp.features[state, 1::-1]), mdp.features[state, 2]
        for action, torque in enumerate(np.linspace(-3, 3, 5)):
            if abs(torque) > env.max_torque:
                continue  # theirs clips at 2
            env.state = np.array([θ, ω])
            env.step(np.array([torque]))
            after = mdp.features[mdp.dense[state, action].argmax()]
            expected = (env.state[0] + np.pi) % (2 * np.pi) - np.pi
            found = np.arctan2(after[1], after[0])
            assert 0 <= (expected - found + 1e-9) % (2 * np.pi) < 2 * np.pi / 64 + 2e-9


def test_the_mountain_car_gets_out_and_not_by_pushing_alone():
    mdp = mountain_car()
    found = value_iteration(mdp)
    start = int(mdp.start.argmax())
    assert found.values[start] > 0
    state = start
    for _ in range(100):
        state = int(mdp.dense[state, 2].argmax())
        assert not mdp.terminal[state]


def test_the_sparse_graph_can_be_solved_in_time():
    for seed in range(5):
        mdp = sparse_graph(seed=seed)
        value = value_iteration(mdp).values[0]
        assert value >= 10 * 0.95**9 - 1e-9


def test_nearest_averager_takes_means():
    F = nearest_averager(np.array([[0.0], [1.0], [2.0]]), np.array([0, 2]), 2)
    assert np.allclose(F, [[0.5, 0, 0.5]] * 3)
    for anchors, count in (([], 1), ([5], 1), ([0], 2)):
        with pytest.raises(InvalidValueError):
            nearest_averager(np.zeros((3, 1)), np.array(anchors, dtype=int), count)


def test_garnets_branch_as_asked_and_repeat():
    mdp = garnet(50, 3, 4, seed=9)
    assert (np.diff(mdp.transitions.indptr) == 4).all()
    assert np.array_equal(mdp.dense, garnet(50, 3, 4, seed=9).dense)
    assert (np.diff(garnet(5, 2, 5).transitions.indptr) == 5).all()
    with pytest.raises(InvalidValueError, match="branching"):
        garnet(3, 1, 4)
