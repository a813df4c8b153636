"""Which pairs an exact fit weighs, and by how much: the distributions of Fu et al., section 6."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from experiments.bottlenecks.afm import matched_adversary
from experiments.bottlenecks.oracle import Oracle
from qdiverge.mdp import MDP, q_value_iteration


@dataclass
class Weighting:
    """The distribution over pairs ``[B, S, A]``, which may change with Q and its errors."""

    name: str
    oracle: Oracle
    past: list[np.ndarray] = field(default_factory=list)  # visits of each iteration
    total: np.ndarray | None = None

    def begin(self, q: np.ndarray) -> None:
        """Note the visits of the policy that starts this iteration."""
        if self.name in ("pi", "replay", "replay10", "afm"):
            visits = self.oracle.visits(q)
            self.past = [*self.past, visits][-10:]
            self.total = visits if self.total is None else self.total + visits

    def __call__(self, errors: np.ndarray, hidden: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the weights, summing to 1 for each seed.

        Args:
            errors: |T*Q_t − Q| of the fit so far, ``[B, S, A]``.
            hidden: the last hidden layer, computed if wanted, ``[B, S, k]``.
        """
        weights = self._unnormalised(errors, hidden) * ~self.oracle.mdp.terminal[:, None]
        weights = weights + 1e-12 * ~self.oracle.mdp.terminal[:, None]
        return weights / weights.sum((1, 2), keepdims=True)

    @property
    def _total(self) -> np.ndarray:
        assert self.total is not None  # begin() came first
        return self.total

    def _unnormalised(self, errors: np.ndarray, hidden: Callable[[], np.ndarray]) -> np.ndarray:
        match self.name:
            case "uniform":
                return np.ones_like(errors)
            case "pi":
                return self.past[-1]
            case "pi_star":
                return np.broadcast_to(self.oracle.visits(self.oracle.q_star[None]), errors.shape)
            case "random":
                return np.broadcast_to(self.oracle.visits(np.zeros_like(errors[:1])), errors.shape)
            case "replay":
                return self._total
            case "replay10":
                return np.mean(self.past, axis=0)
            case "prioritised":
                return errors
            case "adversarial":
                return np.concatenate([self._adversary(e) for e in errors])
            case "afm":
                states = hidden()
                base = self._total / self._total.sum((1, 2), keepdims=True)
                return np.stack(
                    [matched_adversary(*each) for each in zip(base, errors, states, strict=True)]
                )
        raise ValueError(f"expected a weighting; got {self.name!r}")

    def _adversary(self, errors: np.ndarray) -> np.ndarray:
        """Return the visits of the policy whose reward is the Bellman error, [1, S, A]."""
        mdp = self.oracle.mdp
        rewards = errors * ~mdp.terminal[:, None]
        sought = MDP(mdp.transitions, rewards, mdp.discount, mdp.start, terminal=mdp.terminal)
        q = q_value_iteration(sought, 1e-3 * max(1e-9, errors.max())).q
        return self.oracle.visits(q[None])


def entropy(weights: np.ndarray) -> np.ndarray:
    """Return the entropy over that of the uniform distribution, ``[B]``."""
    logs = np.log(np.where(weights > 0, weights, 1.0))
    return -(weights * logs).sum((1, 2)) / np.log(weights[0].size)


def shift(weights: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the total variation between two weightings, ``[B]``."""
    return 0.5 * np.abs(weights - before).sum((1, 2))
