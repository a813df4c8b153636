"""Tianshou 2: a context manager around the training of DQN, DDPG, TD3 or SAC.

    with tianshou.attach(algorithm, buffer, out="runs/x") as monitor:
        algorithm.run_training(params)

It has no hook for an update, so methods of the algorithm are heard at its class. Twin critics have
an optimiser each: the first is watched, with the least of both targets as its bootstrap. TD3's
smoothing noise is left out of a' = π_target(s').
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from qdiverge.errors import InvalidTypeError
from qdiverge.integrations.extras import imported
from qdiverge.integrations.views import First, LeastOf
from qdiverge.monitor import Monitor
from qdiverge.monitor import attach as attach_monitor
from qdiverge.monitor.listening import listen


@contextmanager
def attach(algorithm: Any, buffer: Any, *, out: Any, **options: Any) -> Iterator[Monitor]:
    """Watch the updates that an algorithm makes from a replay buffer.

    With ``on_alarm="stop"`` the trainer is told after its present step that training is done, as
    by its own early stopping: ``run_training`` returns as it does then. A trainer that was created
    before, or that is offline, or a loop of your own, gets the DivergenceError at the next update.

    Args:
        algorithm: Tianshou's DQN, DDPG, TD3 or SAC.
        buffer: The buffer that it is trained from; updates from others are passed over.
        out: A new run folder.
        options: Of :func:`qdiverge.attach`, such as ``cost`` and ``every``. What the algorithm says
            need not be passed: networks, discount, loss, bootstrap, policy, entropy coefficient.

    Yields:
        The monitor.

    Raises:
        InvalidTypeError: another algorithm.
    """
    monitor = attach_monitor(out=out, **watched(algorithm) | options)
    memory, is_n_step = buffer, _num_steps(algorithm) > 1
    trainers: list[Callable[[], None]] = []  # what ends listening to each

    def prepare(method: Callable[..., Any], batch: Any, buffer: Any, indices: Any) -> Any:
        if buffer is memory:
            if monitor.stopped_by is not None and not trainers:
                monitor.batch(batch)  # raises
            monitor.show(batch, partial(_read, algorithm, buffer, indices) if is_n_step else None)
        return method(batch, buffer, indices)

    def create(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        trainer = method(*args, **kwargs)
        if hasattr(trainer, "_env_episode"):  # online; an offline one cannot be told to stop
            trainers.append(listen(trainer, "_training_step", step))
        return trainer

    def step(method: Callable[[], Any]) -> Any:
        result = method()
        if monitor.stopped_by is not None:
            result._is_training_done = True
        return result

    endings = [
        listen(algorithm, "_preprocess_batch", prepare),
        listen(algorithm, "create_trainer", create),
    ]
    status = "interrupted"
    try:
        yield monitor
        status = "finished" if monitor.stopped_by is None else "alarm"
    finally:
        for end in endings + trainers:
            end()
        monitor.close(status)


def watched(algorithm: Any) -> dict[str, Any]:
    """Return what :func:`qdiverge.attach` has to be told about an algorithm.

    Raises:
        InvalidTypeError: another algorithm.
    """
    kinds = imported("tianshou.algorithm", "tianshou")
    if not isinstance(algorithm, kinds.DQN | kinds.DDPG | kinds.TD3 | kinds.SAC):
        raise InvalidTypeError(
            "the algorithm must be a DQN, DDPG, TD3 or SAC",
            got=type(algorithm).__name__,
            remedy="Of others, pass networks and optimizer to qd.attach yourself.",
        )
    num_steps = _num_steps(algorithm)
    config = {"framework": "tianshou", "algorithm": type(algorithm).__name__}
    common: dict[str, Any] = {
        "discount": algorithm.gamma**num_steps,
        "config": config | {"gamma": algorithm.gamma, "n_steps": num_steps},
    }
    if isinstance(algorithm, kinds.DQN):
        is_double = algorithm.is_double and algorithm.use_target_network
        return common | {
            "q_network": First(algorithm.policy.model),
            "target": First(algorithm.model_old) if algorithm.use_target_network else None,
            "optimizer": algorithm.optim._optim,
            "loss": "squared" if algorithm.huber_loss_delta is None else "huber",
            "bootstrap": "double_q" if is_double else None,
        }
    target: nn.Module = algorithm.critic_old
    if hasattr(algorithm, "critic2_old"):
        target = LeastOf(algorithm.critic_old, algorithm.critic2_old)
    common |= {
        "q_network": algorithm.critic,
        "target": target,
        "optimizer": algorithm.critic_optim._optim,
        "loss": "squared",
    }
    if not isinstance(algorithm, kinds.SAC):
        return common | {"policy": First(algorithm.actor_old)}
    return common | {
        "policy": SoftPolicy(algorithm.policy),
        "entropy_coefficient": lambda: float(algorithm.alpha.value),
    }


class SoftPolicy(nn.Module):
    """SAC's policy as s' → (a', log π(a'|s'))."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions [N, k] and log-probabilities [N, 1], drawn as in training."""
        data = imported("tianshou.data", "tianshou")
        answer = self.policy(data.Batch(obs=observations, info={}))
        return answer.act, answer.log_prob


def n_step_transitions(
    batch: Any, buffer: Any, indices: np.ndarray, discount: float, num_steps: int
) -> dict[str, Any]:
    """Return (s, a, Σ_i γ^i r_{t+i}, s', d) with s' after n steps, or at the episode's end.

    Where an episode was cut off before, the monitor takes γⁿ, and Tianshou γ to the steps made.
    """
    rewards, goes_on = np.zeros(len(indices)), np.ones(len(indices), dtype=bool)
    now, unfinished = indices, buffer.unfinished_index()
    for i in range(num_steps):
        now = buffer.next(now) if i else now
        rewards += goes_on * discount**i * buffer.rew[now]
        goes_on &= ~(buffer.done[now] | np.isin(now, unfinished))
    last = buffer[now]
    return {
        "observations": batch.obs,
        "actions": batch.act,
        "rewards": rewards,
        "next_observations": last.obs_next,
        "terminated": last.terminated,
    }


def _num_steps(algorithm: Any) -> int:
    num: int = getattr(algorithm, "n_step", getattr(algorithm, "n_step_return_horizon", 1))
    return num


def _read(algorithm: Any, buffer: Any, indices: np.ndarray, batch: Any) -> dict[str, Any]:
    return n_step_transitions(batch, buffer, indices, algorithm.gamma, _num_steps(algorithm))
