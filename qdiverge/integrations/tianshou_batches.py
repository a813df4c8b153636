"""Batches of Tianshou: what one trains, of one step or several, and how one is drawn for copies."""

from typing import Any

import numpy as np


def read_batch(
    algorithm: Any, buffer: Any, indices: np.ndarray, following: dict[str, Any], batch: Any
) -> Any:
    """Return what a batch trains: of several steps, the sums; of critics, with its a'."""
    if (num_steps := num_steps_of(algorithm)) > 1:
        return n_step_transitions(batch, buffer, indices, algorithm.gamma, num_steps) | following
    if not following and not hasattr(batch.obs, "mask"):
        return batch
    weights = getattr(batch, "weight", None)
    return {
        "observations": one_array(batch.obs),
        "actions": batch.act,
        "rewards": batch.rew,
        "next_observations": one_array(batch.obs_next),
        "terminated": batch.terminated,
        **({} if weights is None else {"weights": weights}),
        **following,
    }


def drawn(algorithm: Any, buffer: Any, buffers: tuple[Any, ...], size: int) -> Any:
    """Return a batch, drawn by the global generators in place of the buffers' own."""
    own = [each._random_state for each in buffers]
    try:
        for each in buffers:
            each._random_state = np.random
        batch, indices = buffer.sample(size)
    finally:
        for each, state in zip(buffers, own, strict=True):
            each._random_state = state
    return read_batch(algorithm, buffer, indices, {}, batch)


def n_step_transitions(
    batch: Any, buffer: Any, indices: np.ndarray, discount: float, num_steps: int
) -> dict[str, Any]:
    """Return (s, a, Σ_i γ^i r_{t+i}, s', d) and γ^k, k = n or the steps to an episode's end."""
    rewards, goes_on = np.zeros(len(indices)), np.ones(len(indices), dtype=bool)
    now, unfinished, num_made = indices, buffer.unfinished_index(), np.zeros(len(indices))
    for i in range(num_steps):
        now = buffer.next(now) if i else now
        num_made += goes_on
        rewards += goes_on * discount**i * buffer.rew[now]
        goes_on &= ~(buffer.done[now] | np.isin(now, unfinished))
    last = buffer[now]
    return {
        "observations": one_array(batch.obs),
        "actions": batch.act,
        "rewards": rewards,
        "next_observations": one_array(last.obs_next),
        "terminated": last.terminated,
        "discounts": discount**num_made,
    }


def one_array(observations: Any) -> Any:
    """Return observations {obs, mask} side by side, [N, F + A]; others as they are.

    >>> from types import SimpleNamespace
    >>> one_array(SimpleNamespace(obs=np.zeros((1, 2)), mask=np.array([[True, False]])))
    array([[0., 0., 1., 0.]])
    """
    if not hasattr(observations, "mask"):
        return observations
    flat = np.asarray(observations.obs).reshape(len(observations.mask), -1)
    return np.concatenate([flat, np.asarray(observations.mask, dtype=flat.dtype)], 1)


def num_steps_of(algorithm: Any) -> int:
    """Return n of an algorithm's n-step targets."""
    num: int = getattr(algorithm, "n_step", getattr(algorithm, "n_step_return_horizon", 1))
    return num
