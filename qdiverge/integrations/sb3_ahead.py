"""A copy of a Stable-Baselines3 model, made in the middle of an update, that goes on as it will."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from qdiverge.environment_copies import copied_by_state
from qdiverge.errors import InvalidValueError
from qdiverge.integrations.extras import imported
from qdiverge.monitor.foresight.whole_run import MOST_BYTES, array_bytes
from qdiverge.partial_copies import copied_up_to


class Calls:
    """Where a model is in its call of ``train``, as far as its batches tell.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        self.num_updates = 0  # by the model's count
        self.num_drawn = 0  # batches

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Take note of a call."""
        self.arguments, self.num_updates, self.num_drawn = (args, kwargs), self.model._n_updates, 0

    def ahead(self, batch: Any) -> "ModelAhead | None":
        """Return what goes on from the first batch of a call; None in the middle of one.

        Raises:
            InvalidValueError: the replay is too large to be copied.
        """
        if (size := _bytes_in_use(self.model.replay_buffer)) > MOST_BYTES:
            raise InvalidValueError(
                f"a replay must have at most {MOST_BYTES:,} bytes to be copied", got=f"{size:,}"
            )
        return ModelAhead(self, batch) if self.num_drawn == 1 else None


class ModelAhead:
    """A model from the update under way on; its deep copy makes the updates that it will make.

    The updates of one call of ``train`` are made at its first. Callbacks are left out.

    Args:
        calls: Of the model, just after it has drawn the first batch of a call.
        under_way: That batch.

    Attributes:
        model: The one given; of a copy its own.
        takes: Nothing of the rule can be changed, but the learning rate.
    """

    takes: tuple[str, ...] = ("learning_rate",)

    def __init__(self, calls: Calls, under_way: Any) -> None:
        self.model, self._calls, self._under_way = calls.model, calls, under_way
        self._left = 0  # updates of a call that were made with its first
        self._callback: Any = None  # of a copy, once it has begun

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        model, venv = self.model, self.model.env
        while (inner := vars(venv).get("venv")) is not None:
            venv = inner
        for environment in vars(venv).get("envs", ()):
            _leave_out_files(environment, memo)
            copied_by_state(environment, memo)
        if hasattr(model, "_logger"):
            logger = imported("stable_baselines3.common.logger", "sb3").Logger
            memo[id(model._logger)] = logger(None, [])
        for array in _rings(model.replay_buffer):
            memo[id(array)] = copied_up_to(array, model.replay_buffer.size())
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update(vars(self))
        twin.model = copy.deepcopy(model, memo)
        twin._under_way = copy.deepcopy(self._under_way, memo)
        return twin

    def take(self, change: Mapping[str, Any]) -> None:
        """Learn at another rate from now on; only of a copy."""
        model = self.model
        before, now = model.lr_schedule, model._current_progress_remaining
        ratio = change["learning_rate"] / before(now)
        model.lr_schedule = lambda progress: ratio * before(progress)

    def update(self) -> None:
        """Finish the update under way, or act and make the next; at the end do nothing."""
        if self._left:
            self._left -= 1
        elif self._callback is None:
            self._callback = _silent(self.model)
            args, kwargs = self._calls.arguments
            self.model._n_updates = self._calls.num_updates
            self._draw_first(self._under_way)
            self._train(*args, **kwargs)
        else:
            self._collect_and_train()

    def _collect_and_train(self) -> None:
        model = self.model
        while model.num_timesteps < model._total_timesteps:
            steps = collect(model, self._callback)
            if model.num_timesteps > max(0, model.learning_starts) and steps > 0:
                self._train(batch_size=model.batch_size, gradient_steps=steps)
                return

    def _train(self, *args: Any, **kwargs: Any) -> None:
        self.model.train(*args, **kwargs)
        self._left = (args[0] if args else kwargs["gradient_steps"]) - 1

    def _draw_first(self, batch: Any) -> None:
        """Have the model's next batch be this one."""
        memory = self.model.replay_buffer

        def sample(*_: Any, **__: Any) -> Any:
            del memory.sample
            return batch

        memory.sample = sample


def collect(model: Any, callback: Any) -> int:
    """Act until updates are due, as the model's ``learn`` does; return how many are.

    Args:
        model: An off-policy one.
        callback: Its ``learn``'s.
    """
    rollout = model.collect_rollouts(
        model.env,
        train_freq=model.train_freq,
        action_noise=model.action_noise,
        callback=callback,
        learning_starts=model.learning_starts,
        replay_buffer=model.replay_buffer,
        log_interval=None,
    )
    num: int = model.gradient_steps
    return num if num >= 0 else rollout.episode_timesteps


def _rings(memory: Any) -> list[NDArray[Any]]:
    """Return the arrays of a replay that are filled from their first row on, [size, ...]."""
    arrays = (value for value in vars(memory).values() if isinstance(value, np.ndarray))
    return [each for each in arrays if each.ndim > 1 and len(each) == memory.buffer_size]


def _bytes_in_use(memory: Any) -> int:
    unused = sum(each.nbytes for each in _rings(memory)) * (1 - memory.size() / memory.buffer_size)
    return array_bytes(memory) - int(unused)


def _silent(model: Any) -> Any:
    """Return a callback that does nothing."""

    class Silent(imported("stable_baselines3.common.callbacks", "sb3").BaseCallback):  # type: ignore[misc]
        def _on_step(self) -> bool:
            return True

    callback = Silent()
    callback.init_callback(model)
    return callback


def _leave_out_files(environment: Any, memo: dict[int, Any]) -> None:
    """Have a copy of an environment write no results."""
    while environment is not None:
        own = getattr(environment, "__dict__", {})
        if (writer := own.get("results_writer")) is not None:
            memo[id(writer)] = None
        environment = own.get("env")
