"""Tianshou 2: a context manager around the training of DQN, DDPG, TD3 or SAC.

    with tianshou.attach(algorithm, buffer, out="runs/x") as monitor:
        algorithm.run_training(params)

It has no hook for an update, so methods of the algorithm are heard at its class, and with them the
a' of each target, as it was drawn. Twin critics have an optimiser each: the first is watched, with
the least of both targets as its bootstrap; of the two together there is no map here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from qdiverge.errors import InvalidTypeError
from qdiverge.integrations.extras import imported
from qdiverge.integrations.network_views import First, LeastOf, OfAllowed
from qdiverge.integrations.tianshou_batches import drawn, num_steps_of, read_batch
from qdiverge.integrations.user_options import with_options
from qdiverge.monitor import Monitor
from qdiverge.monitor import attach as attach_monitor
from qdiverge.monitor.listening import listen

OF_TWINS = "the other critic, which the targets bootstrap from too, has an optimiser of its own"


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
    memory, last_batch = buffer, {"batch_size": 0}
    copies = {"foresight": of_copies(algorithm, buffer, lambda: last_batch["batch_size"])}
    read_off = watched(algorithm, buffer) | copies
    monitor = attach_monitor(out=out, **with_options(read_off, options))
    trainers: list[Callable[[], None]] = []  # what ends listening to each

    def prepare(method: Callable[..., Any], batch: Any, buffer: Any, indices: Any) -> Any:
        if buffer is memory:
            if monitor.stopped_by is not None and not trainers:
                monitor.batch(batch)  # raises
            with _heard(algorithm) as following:
                prepared = method(batch, buffer, indices)
            last_batch["batch_size"] = len(indices)
            monitor.show(batch, partial(read_batch, algorithm, buffer, indices, following))
            return prepared
        return method(batch, buffer, indices)

    def create(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        trainer = method(*args, **kwargs)
        monitor.foresight.tell_length(_num_updates(trainer.params))
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


def watched(algorithm: Any, buffer: Any = None) -> dict[str, Any]:
    """Return what :func:`qdiverge.attach` has to be told about an algorithm.

    Args:
        algorithm: It.
        buffer: Where its observations lie: {obs, mask}, with flat obs, is read as one array.

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
    num_steps = num_steps_of(algorithm)
    config = {"framework": "tianshou", "algorithm": type(algorithm).__name__}
    common: dict[str, Any] = {
        "discount": algorithm.gamma**num_steps,
        "config": config | {"gamma": algorithm.gamma, "n_steps": num_steps},
        "rule": known_rule(algorithm),
    }
    if isinstance(algorithm, kinds.DQN):
        is_double = algorithm.is_double and algorithm.use_target_network

        def view(module: nn.Module) -> nn.Module:
            stored = getattr(buffer, "obs", None)
            mask = getattr(stored, "mask", None)
            return First(module) if mask is None else OfAllowed(First(module), mask.shape[-1])

        return common | {
            "q_network": view(algorithm.policy.model),
            "target": view(algorithm.model_old.module) if algorithm.use_target_network else None,
            "optimizer": algorithm.optim._optim,
            "loss": "squared" if algorithm.huber_loss_delta is None else "huber",
            "bootstrap": "double_q" if is_double else None,
        }
    target: nn.Module = algorithm.critic_old.module
    if hasattr(algorithm, "critic2_old"):
        target = LeastOf(target, algorithm.critic2_old.module)
    common |= {
        "q_network": algorithm.critic,
        "target": target,
        "optimizer": algorithm.critic_optim._optim,
        "loss": "squared",
    }
    if not isinstance(algorithm, kinds.SAC):
        return common | {"policy": First(algorithm.actor_old.module)}
    return common | {
        "policy": SoftPolicy(algorithm.policy),
        "entropy_coefficient": lambda: float(algorithm.alpha.value),
    }


def known_rule(algorithm: Any) -> dict[str, Any]:
    """Return the fields of :class:`qdiverge.UpdateRule` that an algorithm's settings determine."""
    if hasattr(algorithm, "optim"):
        delta, period = algorithm.huber_loss_delta, algorithm.target_update_freq
        is_odd = delta is not None and delta != 1
        return {
            "bootstrap": "q" if not period else "double_q" if algorithm.is_double else "target_q",
            "clipping": algorithm.optim._max_grad_norm,
            "critics": "one",
            "target_period": period or None,
            "not_modelled": f"Huber's loss clips at {delta:g}, not at 1" if is_odd else "",
        }
    is_twin = hasattr(algorithm, "critic2_old")
    return {
        "bootstrap": "target_q",
        "clipping": algorithm.critic_optim._max_grad_norm,
        "critics": "min" if is_twin else "one",
        "polyak": algorithm.tau,
        "averaging_period": getattr(algorithm, "update_actor_freq", 1),
        "not_modelled": OF_TWINS if is_twin else "",
    }


def of_copies(algorithm: Any, buffer: Any, batch_size: Callable[[], int]) -> dict[str, Any]:
    """Return what copies that run ahead learn from, and how the actor learns.

    They draw from the buffer as training does, by priorities as they stand, with other random
    states. One that rewrites what it draws (HER) is left alone: of it the last batches serve.
    """
    buffers = (buffer, *getattr(buffer, "buffers", ()))
    options: dict[str, Any] = {"num_rows": partial(len, buffer)}
    if not any(hasattr(each, "rewrite_transitions") for each in buffers):
        options["data"] = lambda: drawn(algorithm, buffer, buffers, batch_size())
    if not hasattr(algorithm, "actor_old") or algorithm.policy_optim._max_grad_norm is not None:
        return options  # an actor whose gradient is clipped is held still, as the forecast notes
    return options | {
        "policy": First(algorithm.policy.actor),
        "policy_optimizer": algorithm.policy_optim._optim,
        "policy_target": First(algorithm.actor_old.module),
        "policy_period": getattr(algorithm, "update_actor_freq", 1),
    }


def _num_updates(params: Any) -> int | None:
    """Return how many updates a trainer's run makes; None: it is not known beforehand."""
    share = getattr(params, "update_step_num_gradient_steps_per_sample", None)
    if share is None or params.epoch_num_steps is None:
        return None
    return max(1, round(params.max_epochs * params.epoch_num_steps * share))


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


@contextmanager
def _heard(algorithm: Any) -> Iterator[dict[str, Any]]:
    """Hear a' and log π(a'|s') of the target that is made meanwhile, as they were drawn."""
    following: dict[str, Any] = {}
    name = "_target_q_compute_action"
    if not hasattr(algorithm, name):  # of Q-networks it is the greedy action
        yield following
        return

    def hear(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        answer = method(*args, **kwargs)
        following["next_actions"] = answer.act.detach().clone()
        if (log_probs := getattr(answer, "log_prob", None)) is not None:
            following["next_log_probs"] = log_probs.detach().reshape(-1).clone()
        return answer

    end = listen(algorithm, name, hear)
    try:
        yield following
    finally:
        end()
