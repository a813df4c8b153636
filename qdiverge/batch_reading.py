"""Read a batch of any library: under the usual spellings, of the usual shapes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.tensor_checks import as_tensor
from qdiverge.thing_checks import type_of
from qdiverge.transitions import SarsaTransitions, Transitions

# What other libraries call our five fields; the first spelling that is there is taken.
SPELLINGS = {
    "observations": ("observations", "observation", "obs", "states", "state"),
    "actions": ("actions", "action", "act"),
    "rewards": ("rewards", "reward", "rew"),
    "next_observations": (
        "next_observations", "next_observation", "obs_next", "next_obs", "obs2",
        "next_states", "next_state", "new_obs", "new_observations", "new_states", "new_state"
    ),
    "terminated": (
        "terminated", "terminations", "terminateds", "terminals", "terminal", "termination",
        "dones", "done"
    ),
}  # fmt: skip
TRUNCATED = (
    "truncated",
    "truncations",
    "truncateds",
    "timeouts",
    "truncation",
    "timeout",
)  # by a time limit, where a batch says it; the target bootstraps there
WEIGHTS = ("weights", "weight", "is_weights", "importance_weights", "_weight")
DISCOUNTS = ("discounts",)
NEXT_ACTIONS = ("next_actions", "next_action", "act_next")  # of a critic's batch, where it has them


def as_transitions(batch: Any) -> Transitions:
    """Read a batch of any library: a mapping, or an object with the fields as attributes.

    Read as they are: batches of Stable-Baselines3 and CleanRL (columns [N, 1]), of TorchRL (nested
    ``next``, one-hot actions) and of Tianshou (numpy arrays). Floating-point actions [N, k] are a
    critic's; beside ``next_actions`` they make :class:`SarsaTransitions`.

    Raises:
        InvalidTypeError: a field is found under none of its usual names.

    >>> import torch
    >>> s = torch.zeros(2, 3)
    >>> batch = as_transitions(
    ...     {"obs": s, "act": torch.tensor([[0], [1]]), "rew": torch.ones(2, 1),
    ...      "obs_next": s, "done": torch.zeros(2, 1)})
    >>> batch.actions, len(batch)
    (tensor([0, 1]), 2)
    """
    if isinstance(batch, Transitions):
        return batch.out_of_inference()
    five = {name: _find(batch, name) for name in SPELLINGS if name != "actions"}
    five["actions"] = _actions(batch)
    for name in ("rewards", "terminated"):
        if five[name].ndim == 2 and five[name].shape[1] == 1:
            five[name] = five[name].squeeze(1)
    following = next((v for name in NEXT_ACTIONS if (v := _get(batch, name)) is not None), None)
    if following is not None and five["actions"].is_floating_point():
        a_next = as_tensor("next_actions", following)
        return SarsaTransitions(**five, next_actions=a_next).out_of_inference()
    return Transitions(**five).out_of_inference()


def why_other_actions(batch: Any) -> str:
    """Return why integer a' of a batch, which :class:`Transitions` leaves out, matter; "" without.

    >>> import torch
    >>> why_other_actions({"actions": torch.tensor([0])})
    ''
    """
    given = next((v for name in NEXT_ACTIONS if (v := _get(batch, name)) is not None), None)
    if given is None or isinstance(batch, SarsaTransitions):
        return ""
    if as_tensor("next_actions", given).is_floating_point():
        return ""
    return "the batch says a', and of integer actions the greedy one is followed"


def row_weights(batch: Any) -> Tensor | None:
    """Return the importance weight of each transition, [N], where the batch has any.

    Raises:
        InvalidValueError: they are not one for each transition.

    >>> row_weights({"rewards": torch.zeros(2), "weights": torch.tensor([[0.5], [1.0]])})
    tensor([0.5000, 1.0000])
    """
    return _row(batch, WEIGHTS)


def row_discounts(batch: Any) -> Tensor | None:
    """Return γ^k of each transition, [N], where a batch of several steps says it."""
    return _row(batch, DISCOUNTS)


def field_of(batch: Any, *names: str) -> Tensor | None:
    """Return a further field of a batch of any library, by the first of its names that is there.

    >>> field_of({"weights": [1.0, 0.5]}, "weights", "weight")
    tensor([1.0000, 0.5000])
    """
    value = next((v for name in names if (v := _get(batch, name)) is not None), None)
    return None if value is None or callable(value) else as_tensor(names[0], value)


def pairs_of(batch: Any) -> tuple[Tensor, Tensor]:
    """Return s and a of a batch that :func:`as_transitions` reads, and nothing else of it."""
    if isinstance(batch, Transitions):
        return batch.observations, batch.actions
    return _find(batch, "observations"), _actions(batch)


def rewards_of(batch: Any) -> Tensor:
    """Return the rewards of a batch that :func:`as_transitions` reads, and nothing else of it."""
    return batch.rewards if isinstance(batch, Transitions) else _find(batch, "rewards")


def _row(batch: Any, spellings: tuple[str, ...]) -> Tensor | None:
    """Return a number for each transition under the first of its spellings, [N]."""
    for spelling in spellings:
        value = _get(batch, spelling)
        if not isinstance(value, Tensor | np.ndarray):  # nothing, or a method of that name
            continue
        numbers = as_tensor(spelling, value)
        if numbers.is_floating_point():
            num_rows = len(_find(batch, "rewards"))
            if numbers.numel() != num_rows:
                raise InvalidValueError(
                    f"{spelling} must be one number for each of {num_rows} transitions",
                    got=f"shape {list(numbers.shape)}",
                )
            return numbers.reshape(-1)
    return None


def _find(batch: Any, name: str) -> Tensor:
    """Return a field under the first of its spellings; after the step, also inside ``next``."""
    following = _get(batch, "next")
    if name in ("rewards", "next_observations", "terminated") and following is not None:
        inner = "observations" if name == "next_observations" else name
        batch, spellings = following, SPELLINGS[inner]
    else:
        spellings = SPELLINGS[name]
    for spelling in spellings:
        if (value := _get(batch, spelling)) is not None:
            return as_tensor(name, value)
    raise InvalidTypeError(
        f"a batch with {name} was expected (also read: {', '.join(spellings[1:])})",
        got=sorted(map(str, batch)) if isinstance(batch, Mapping) else type_of(batch),
        remedy="Pass a dict of these five, or qd.Transitions.",
    )


def _get(batch: Any, name: str) -> Any:
    """Return an entry of a mapping, or an attribute; None where there is neither."""
    try:
        if isinstance(batch, Mapping) or (hasattr(batch, "get") and hasattr(batch, "keys")):
            return batch.get(name, None)
        return getattr(batch, name, None)
    except Exception as error:  # of somebody's own object, it may be any
        raise InvalidTypeError(
            f"a batch must let its {name} be read",
            got=f"{type_of(batch)} that raises {type(error).__name__}",
        ) from error


def _actions(batch: Any) -> Tensor:
    actions = _find(batch, "actions")
    if actions.is_floating_point():
        actions = _numbers(actions)
    return actions if actions.is_floating_point() else _indices(actions)


def _indices(actions: Tensor) -> Tensor:
    """Return actions [N] from columns [N, 1] or one-hot rows [N, A].

    Raises:
        InvalidValueError: rows of several numbers are not one-hot.
    """
    if actions.ndim != 2:
        return actions
    if actions.shape[1] == 1:
        return actions.squeeze(1)
    numbers = actions.long()
    is_one_hot = ((numbers == 0) | (numbers == 1)).all() & (numbers.sum(dim=1) == 1).all()
    if not bool(is_one_hot):
        raise InvalidValueError(
            "integer actions must be [N], [N, 1], or one-hot rows [N, A]",
            got=f"shape {list(actions.shape)} with rows such as {actions[0].tolist()}",
            remedy="Of several action branches, number their combinations, or diagnose each alone.",
        )
    return numbers.argmax(dim=1)


def _numbers(actions: Tensor) -> Tensor:
    """Return floating-point actions; of one axis, [N], they are numbers of discrete ones.

    Raises:
        InvalidTypeError: those are no whole numbers.
    """
    if actions.ndim != 1:
        return actions
    if not bool((torch.isfinite(actions) & (actions == actions.round())).all()):
        raise InvalidTypeError(
            "actions must be integers [N], or a critic's floating-point numbers [N, k]",
            got=f"{actions.dtype} of shape {list(actions.shape)} that are no whole numbers",
            remedy="Of a critic with k = 1 pass actions.unsqueeze(1).",
        )
    return actions.long()
