"""Copy environments as they stand, in the middle of an episode."""

import copy
from typing import Any


def copied_by_state(environment: Any, memo: dict[int, Any]) -> None:
    """Have ``copy.deepcopy`` copy an environment, and all that it wraps, by its attributes.

    Those of Gymnasium's ``EzPickle`` would be made anew instead, at the start of an episode.

    Args:
        environment: With ``env`` what it wraps.
        memo: Of the deep copy; it holds the copies afterwards.

    Raises:
        TypeError: something in it cannot be copied, such as an emulator.

    >>> import gymnasium
    >>> task, memo = gymnasium.make("CartPole-v1"), {}
    >>> _ = task.reset(seed=0), task.step(0)
    >>> copied_by_state(task, memo)
    >>> twin = copy.deepcopy(task, memo)
    >>> (twin.step(1)[0] == task.step(1)[0]).all()
    np.True_
    """
    layers = [environment]
    while (inner := getattr(layers[-1], "__dict__", {}).get("env")) is not None:
        layers.append(inner)
    made_anew = [each for each in layers if hasattr(each, "_ezpickle_args")]
    twins = [object.__new__(type(each)) for each in made_anew]
    memo |= {id(each): twin for each, twin in zip(made_anew, twins, strict=True)}
    for each, twin in zip(made_anew, twins, strict=True):
        for name, value in vars(each).items():
            object.__setattr__(twin, name, copy.deepcopy(value, memo))
