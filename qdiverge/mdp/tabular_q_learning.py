"""Tabular Q-learning and double Q-learning, every seed at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qdiverge.calling import own_errors
from qdiverge.checks import check_integer, check_positive, check_switch
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.exploration import Exploration, epsilon_greedy
from qdiverge.mdp.model import MDP
from qdiverge.mdp.transition_sampling import Sampler
from qdiverge.tensor_checks import check_array
from qdiverge.thing_checks import check_callable, check_instance

LearningRate = float | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class QLearningRun:
    """B independent runs of tabular Q-learning."""

    q: np.ndarray  # [B, S, A]; for double Q-learning the mean of the two tables
    visits: np.ndarray  # updates of each pair, int [B, S, A]


def visit_rate(exponent: float = 0.8) -> LearningRate:
    """Return α = 1/n^ω for the n-th update of a pair; ω in (½, 1] makes Q-learning converge."""
    power = -check_positive("exponent", exponent)
    return lambda visits: np.power(visits, power)


def q_learning(
    mdp: MDP,
    num_steps: int,
    *,
    learning_rate: LearningRate = 0.1,
    explore: Exploration | None = None,
    initial: float | np.ndarray = 0.0,
    double: bool = False,
    num_seeds: int = 1,
    seed: int = 0,
) -> QLearningRun:
    """Run Q(s, a) ← Q(s, a) + α (r + γ(1 − d) max_a' Q(s', a') − Q(s, a)) along episodes.

    Double Q-learning keeps two tables; at each step a coin chooses the one to update, which picks
    the action that the other one values. An episode ends in a terminal state or at the problem's
    horizon (where it bootstraps). Rewards are the expected R(s, a).

    Source: Watkins 1989; van Hasselt 2010 (double).

    Args:
        mdp: the problem.
        num_steps: environment steps of each seed.
        learning_rate: α, or a function of the pair's number of updates such as :func:`visit_rate`.
        explore: the behaviour policy; ε-greedy with ε = 0.1 by default.
        initial: Q₀, a number or a table ``[S, A]``; above max R/(1 − γ) it is optimistic.
        double: two tables instead of one.
        num_seeds: B runs, stepped together.
        seed: of them all.

    Raises:
        InvalidValueError: num_steps or num_seeds is below 1, or α is not above 0.

    >>> mdp = MDP([[[0, 1]], [[0, 1]]], [[1], [0]], 0.5)  # one step, worth 1
    >>> q_learning(mdp, num_steps=2, learning_rate=0.5).q[0, 0]
    array([0.75])
    """
    check_instance("mdp", mdp, MDP)
    num_steps = check_integer("num_steps", num_steps, 1)
    num_seeds = check_integer("num_seeds", num_seeds, 1)
    check_switch("double", double)
    first = check_array("initial", initial)
    if first.shape not in ((), mdp.rewards.shape):
        shape = list(mdp.rewards.shape)
        raise InvalidValueError(f"initial must be a number or {shape}", got=list(first.shape))
    if not callable(learning_rate):
        learning_rate = check_positive("learning_rate", learning_rate)
    if explore is not None:
        check_callable("explore", explore, "a function of Q-values [B, A] and a generator")
    explore = epsilon_greedy(0.1) if explore is None else explore
    sampler, B = Sampler(mdp, seed), np.arange(num_seeds)
    tables = np.empty((1 + double, num_seeds, mdp.num_states, mdp.num_actions))
    tables[:] = np.where(mdp.terminal[:, None], 0.0, first)
    visits = np.zeros(tables.shape, dtype=np.int64)
    states, ages = sampler.start_states(num_seeds), np.zeros(num_seeds, dtype=np.int64)
    over = mdp.terminal[states]
    states = _restart(sampler, states, over)
    with own_errors("learning_rate or explore, a function,"):
        for _ in range(num_steps):
            actions = explore(tables[:, B, states].mean(0), sampler.rng)
            nexts = sampler.next_states(states, actions)
            update = sampler.rng.integers(0, 2, num_seeds) if double else np.zeros(num_seeds, int)
            best = tables[update, B, nexts].argmax(-1)
            target = (
                mdp.rewards[states, actions] + mdp.discount * tables[-1 - update, B, nexts, best]
            )
            where = (update, B, states, actions)
            visits[where] += 1
            α = learning_rate(visits[where]) if callable(learning_rate) else learning_rate
            tables[where] += α * (target - tables[where])
            ages += 1
            over = mdp.terminal[nexts] | (ages == (mdp.horizon or -1))
            ages[over] = 0
            states = _restart(sampler, nexts, over)
    return QLearningRun(tables.mean(0), visits.sum(0))


def _restart(sampler: Sampler, states: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Return the states with a first state, not terminal, drawn where an episode is over."""
    states = states.copy()
    while over.any():
        states[over] = sampler.start_states(int(over.sum()))
        over = over & sampler.mdp.terminal[states]
    return states
