"""A finite Markov decision process, known exactly."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from qdiverge.checks import check_discount, check_integer
from qdiverge.mdp.array_checks import (
    check_observations,
    check_rewards,
    check_start,
    check_terminal,
    check_transitions,
)
from qdiverge.mdp.mdp_errors import NoProperPolicyError, UnreachableStartError
from qdiverge.mdp.reachability import can_reach, successors


@dataclass(frozen=True, eq=False, repr=False, init=False)
class MDP:
    """(P, R, γ, start) with S states and A actions; every array is checked and read-only.

    Episodes end on arriving at a terminal state, and its value is 0. Unless told otherwise, those
    are the states where every action stays and pays nothing.

    Args:
        transitions: P(s'|s, a), dense ``[S, A, S]``, or sparse ``[S·A, S]`` with row s·A + a.
        rewards: Expected rewards, ``[S, A]`` or ``[S]``; with dense transitions also ``[S, A, S]``.
        discount: γ; at 1 every state must be able to reach a terminal one.
        start: Distribution of the first state ``[S]``, or a single state; state 0 by default.
        observations: What a network sees of each state, ``[S, k]``; one-hot by default.
        terminal: Which states end an episode, bool ``[S]``, to overrule the default: a state that
            pays nothing forever may still have a value to learn (Baird's seventh).
        horizon: Steps after which the Gymnasium view truncates an episode.
        name: Shown in reports.

    Raises:
        InvalidTransitionsError: a row of P is negative somewhere or does not sum to 1.
        NoProperPolicyError: γ = 1 and some state never reaches a terminal one.
        UnreachableStartError: an episode would be over before it began.
        InvalidValueError: a shape is wrong or an entry not finite.

    >>> stay_or_leave = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> stay_or_leave
    MDP(mdp: 2 states, 2 actions, γ = 0.5, 1 terminal)
    """

    transitions: sparse.csr_array  # P [S·A, S], row s·A + a
    rewards: np.ndarray  # R [S, A]
    discount: float
    start: np.ndarray  # [S]
    observations: np.ndarray | None  # [S, k]; None is one-hot
    terminal: np.ndarray  # bool [S]
    horizon: int | None
    name: str

    def __init__(
        self,
        transitions: ArrayLike | sparse.sparray,
        rewards: ArrayLike,
        discount: float,
        start: ArrayLike | None = None,
        observations: ArrayLike | None = None,
        terminal: ArrayLike | None = None,
        horizon: int | None = None,
        name: str = "mdp",
    ) -> None:
        P = check_transitions(transitions)
        R = check_rewards(rewards, transitions, P)
        if horizon is not None:
            check_integer("horizon", horizon, 1)
        parts = {
            "transitions": P,
            "rewards": R,
            "discount": check_discount(discount),
            "start": check_start(start, P.shape[1]),
            "observations": check_observations(observations, P.shape[1]),
            "terminal": check_terminal(terminal, P, R),
            "horizon": horizon,
            "name": name,
        }
        for part, value in parts.items():
            object.__setattr__(self, part, value)
        self._check_episodes()

    @property
    def num_states(self) -> int:
        """Return S, terminal states included."""
        return self.rewards.shape[0]

    @property
    def num_actions(self) -> int:
        """Return A."""
        return self.rewards.shape[1]

    @cached_property
    def continuing(self) -> sparse.csr_array:
        """Return (1 − d) P, ``[S·A, S]``: P with the columns of terminal states set to 0."""
        P = self.transitions.copy()
        P.data = np.where(self.terminal[P.indices], 0.0, P.data)
        P.eliminate_zeros()
        return P

    @cached_property
    def dense(self) -> np.ndarray:
        """Return P as a dense array ``[S, A, S]``."""
        return self.transitions.toarray().reshape(self.num_states, self.num_actions, -1)

    @property
    def features(self) -> np.ndarray:
        """Return the observations ``[S, k]``; one-hot ``[S, S]`` where none were given."""
        return np.eye(self.num_states) if self.observations is None else self.observations

    @property
    def reachable(self) -> np.ndarray:
        """Return which states an episode can visit under some policy, bool ``[S]``."""
        return can_reach(successors(self.transitions).T, self.start > 0)

    def _check_episodes(self) -> None:
        """Refuse γ = 1 without a proper policy, and starts that are over at once."""
        if bool((self.terminal | (self.start == 0)).all()):
            raise UnreachableStartError(
                "start must give some probability to a state that is not terminal",
                got=f"states {np.flatnonzero(self.start)[:5].tolist()}, all terminal",
                remedy="A state where every action stays and pays 0 ends the episode, unless "
                "terminal= says otherwise.",
            )
        ends = can_reach(successors(self.transitions), self.terminal)
        if self.discount == 1.0 and not ends.all():
            raise NoProperPolicyError(
                "discount = 1 needs a terminal state that every state can reach",
                got=f"state {int(np.flatnonzero(~ends)[0])}, which cannot "
                f"({int((~ends).sum())} such states, {int(self.terminal.sum())} terminal ones)",
                remedy="Pass discount < 1, or make the goal absorbing with reward 0.",
            )

    def __repr__(self) -> str:
        return (
            f"MDP({self.name}: {self.num_states} states, {self.num_actions} actions, "
            f"γ = {self.discount:g}, {int(self.terminal.sum())} terminal)"
        )
