"""TorchRL: a hook for trainers with a DQNLoss, and the same for loops written by hand.

    torchrl.Hook(out="runs/x").register(trainer)                    # last, before trainer.train()
    monitor = torchrl.watch(loss_module, optimizer, out="runs/x")   # loss_module(monitor.batch(…))

A loss module holds its target as tensors without a network; here they are given one. Of 0.14.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from qdiverge.errors import InvalidTypeError
from qdiverge.integrations.extras import imported
from qdiverge.integrations.user_options import with_options
from qdiverge.monitor import Monitor, attach
from qdiverge.monitor.listening import listen

LOSSES = {"l2": "squared", "smooth_l1": "huber", "l1": "huber"}
OF_ABSOLUTE = "|δ| has no slope: its step does not shrink with the error"
BY_VALUE = "gradients are clipped entry by entry"
STAGE = "process_optim_batch"  # where a trainer has just drawn the batch of one update


class Hook:
    """A watch over one call of ``trainer.train``, from its start to its end, also by an exception.

    With ``on_alarm="stop"`` it calls ``trainer.request_stop``, which ends the training, and saves
    the trainer, once the updates of the present batch of frames are done.

    Args:
        out: A new run folder.
        options: Of :func:`qdiverge.attach`, such as ``cost`` and ``every``. What the loss module
            says need not be passed: networks, discount, loss, bootstrap.

    Attributes:
        monitor: What is attached; None before ``register``.
    """

    def __init__(self, out: Any, **options: Any) -> None:
        self.monitor: Monitor | None = None
        self._out, self._options = out, options
        self._endings: list[Callable[[], None]] = []

    def register(self, trainer: Any, name: str = "qdiverge") -> None:
        """Attach to a trainer; the hook that draws the batch is to be registered already.

        Args:
            trainer: A ``torchrl.trainers.Trainer`` that learns on this machine, in this process.
            name: Not used; there as in the framework's own hooks.
        """
        del name
        read = BatchReader(trainer.loss_module)
        clipped = {"clipping": trainer.clip_norm}
        if trainer.clip_norm is not None and not trainer.clip_grad_norm:
            clipped = {"not_modelled": BY_VALUE}
        follows = known_target(trainer.target_net_updater)
        read_off = {
            "clock": lambda: trainer.collected_frames,
            "foresight": of_copies(trainer, read),
            "rule": known_rule(trainer.loss_module) | follows | clipped,
        }
        options = with_options(read_off, self._options)
        monitor = watch(trainer.loss_module, trainer.optimizer, self._out, **options)

        def show(batch: Any) -> None:
            if (alarm := monitor.stopped_by) is not None:
                trainer.request_stop(f"qdiverge: {alarm.rule}. {alarm.message}")
            monitor.show(batch, read)

        trainer.register_op(STAGE, show)
        registered = trainer._process_optim_batch_ops[-1]  # with what the trainer wraps around it
        self.monitor = monitor
        self._endings = [
            listen(trainer, "train", self._until_its_end),
            lambda: trainer._process_optim_batch_ops.remove(registered),
        ]

    def close(self, status: str = "finished") -> None:
        """Leave the trainer; called at the end of training."""
        while self._endings:
            self._endings.pop()()
        if self.monitor is not None:
            self.monitor.close(status)

    def _until_its_end(self, train: Callable[[], Any]) -> Any:
        try:
            result = train()
        except BaseException:
            self.close("interrupted")
            raise
        stopped = self.monitor is not None and self.monitor.stopped_by is not None
        self.close("alarm" if stopped else "finished")
        return result


def watch(loss_module: Any, optimizer: Any, out: Any, **options: Any) -> Monitor:
    """Attach to a DQNLoss and its optimiser in a loop of your own.

    Args:
        loss_module: A ``torchrl.objectives.DQNLoss``; its keys are the usual ones, or the batches
            are given to ``monitor.show(batch, torchrl.BatchReader(loss_module))``.
        optimizer: The optimiser of its parameters.
        out: A new run folder.
        options: Of :func:`qdiverge.attach`.

    Returns:
        The monitor; give it each batch, and close it at the end.

    Raises:
        InvalidTypeError: another loss module.
    """
    DQNLoss = imported("torchrl.objectives", "torchrl").DQNLoss
    if not isinstance(loss_module, DQNLoss):
        raise InvalidTypeError(
            "the loss module must be a torchrl.objectives.DQNLoss",
            got=type(loss_module).__name__,
            remedy="Of others, pass networks and optimizer to qd.attach yourself.",
        )
    online = _network(loss_module, loss_module.value_network_params)
    target = None
    if loss_module.delay_value:
        target = _network(loss_module, loss_module.target_value_network_params)
    settings: dict[str, Any] = {
        "target": target,
        "discount": _discount(loss_module),
        "loss": LOSSES[loss_module.loss_function],
        "bootstrap": "double_q" if loss_module.double_dqn else None,
        "rule": known_rule(loss_module),
        "config": {"framework": "torchrl", "algorithm": type(loss_module).__name__},
    }
    return attach(online, optimizer=optimizer, out=out, **with_options(settings, options))


def known_rule(loss_module: Any) -> dict[str, Any]:
    """Return the fields of :class:`qdiverge.UpdateRule` that a loss module determines.

    How its target follows, an updater of its own decides, and the run shows.
    """
    is_double, is_delayed = loss_module.double_dqn, loss_module.delay_value
    rule: dict[str, Any] = {
        "bootstrap": "q" if not is_delayed else "double_q" if is_double else "target_q",
        "critics": "one",
    }
    is_absolute = loss_module.loss_function == "l1"
    return rule | ({"not_modelled": OF_ABSOLUTE} if is_absolute else {})


def known_target(updater: Any) -> dict[str, Any]:
    """Return how a trainer's updater has the target follow; {} of others than TorchRL's two."""
    kinds = imported("torchrl.objectives", "torchrl")
    if type(updater) is kinds.HardUpdate:  # it counts so many, and copies at the next
        return {"target_period": int(updater.value_network_update_interval) + 1}
    if type(updater) is kinds.SoftUpdate:
        return {"polyak": 1 - float(updater.eps)}
    return {}


def of_copies(trainer: Any, read: "BatchReader") -> dict[str, Any]:
    """Return what copies that run ahead learn from, and for how long.

    Of a replay whose draws move more than generators (by priorities, without replacement, ahead of
    time, through transforms) the last batches serve.
    """
    options: dict[str, Any] = {"num_updates": _num_updates(trainer)}
    memory: Any = getattr(trainer, "replay_buffer", None)
    if can_draw(memory):  # what stores into it, among a trainer's operations, cannot be seen
        options |= {"data": lambda: read(drawn(memory)), "num_rows": lambda: len(memory)}
    return options


def can_draw(memory: Any) -> bool:
    """Return whether a draw from a replay moves its generators alone."""
    kinds = imported("torchrl.data.replay_buffers.samplers", "torchrl")
    return (
        memory is not None
        and type(memory.sampler) is kinds.RandomSampler
        and memory._batch_size is not None
        and not memory._prefetch
        and not len(memory._transform or ())
    )


def drawn(memory: Any) -> Any:
    """Return a batch, drawn by the global generators in place of the memory's own."""
    parts = (memory.storage, memory.sampler)
    own = [part._rng for part in parts]
    try:
        for part in parts:
            part._rng = None
        return memory.sample()
    finally:
        for part, generator in zip(parts, own, strict=True):
            part._rng = generator


def _num_updates(trainer: Any) -> int | None:
    """Return how many updates a trainer's run makes; None: it is not known beforehand."""
    each, collector = trainer.optim_steps_per_batch, trainer.collector
    if each is None or not trainer.total_frames:
        return None
    done, per_batch = trainer.collected_frames, collector.requested_frames_per_batch
    first = (getattr(collector, "init_random_frames", None) or 0) - done
    untrained = max(0, math.ceil(first / per_batch) - 1)
    batches = math.ceil((trainer.total_frames - done) / per_batch) - untrained
    return max(1, batches * each * trainer.num_epochs)


class BatchReader:
    """A reader of the TensorDicts of a loss module, by the module's own keys."""

    def __init__(self, loss_module: Any) -> None:
        self._module, self._keys = loss_module, loss_module.tensor_keys
        (self._observation,) = loss_module.value_network.in_keys

    def rewards(self, batch: Any) -> Tensor:
        """Return the rewards alone, in any shape."""
        rewards: Tensor = batch.get(("next", self._keys.reward))
        return rewards

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        """Return the five fields, and γ^k and the weights where they are; time becomes a row."""
        batch, keys = batch.reshape(-1), self._keys
        others = {}
        if (steps := batch.get("steps_to_next_obs", None)) is not None:  # as of MultiStepTransform
            others["discounts"] = _discount(self._module) ** steps.reshape(-1).float()
        is_weighted = getattr(self._module, "use_prioritized_weights", False) in (True, "auto")
        if is_weighted and (name := getattr(keys, "priority_weight", None)) is not None:
            weights = batch.get(name, None)
            others |= {} if weights is None else {"weights": weights.reshape(-1)}
        return others | {
            "observations": batch.get(self._observation),
            "actions": batch.get(keys.action),
            "rewards": batch.get(("next", keys.reward)),
            "next_observations": batch.get(("next", self._observation)),
            "terminated": batch.get(("next", keys.terminated)),
        }


class QValues(nn.Module):
    """A network of TensorDicts, called with observations; returns Q-values [N, A]."""

    def __init__(self, module: nn.Module, observation: Any, q_values: Any) -> None:
        super().__init__()
        self.module, self._observation, self._q_values = module, observation, q_values

    def forward(self, observations: Tensor) -> Tensor:
        """Return Q(s, ·)."""
        TensorDict = imported("tensordict", "torchrl").TensorDict
        batch = TensorDict({self._observation: observations}, [len(observations)])
        values: Tensor = self.module(batch).get(self._q_values)
        return values


def _network(loss_module: Any, parameters: Any) -> QValues:
    """Return a network of these parameters: the very tensors, which the module trains."""
    network = deepcopy(loss_module.value_network)
    for name, tensor in parameters.flatten_keys(".").items():
        owner, _, own_name = name.rpartition(".")
        module = network.get_submodule(owner)
        if own_name in dict(module.named_buffers(recurse=False)):
            tensor = tensor.data
        elif not isinstance(tensor, nn.Parameter):  # a target's, in the same memory
            tensor = nn.Parameter(tensor.data, requires_grad=False)
        setattr(module, own_name, tensor)
    (observation,) = loss_module.value_network.in_keys
    return QValues(network, observation, loss_module.tensor_keys.action_value)


def _discount(loss_module: Any) -> float:
    """Return γ, without making the value estimator that the first loss will make."""
    if (estimator := loss_module._value_estimator) is not None:
        return round(float(estimator.gamma), 7)  # single precision there
    utils = imported("torchrl.objectives.utils", "torchrl")
    return float(utils.default_value_kwargs(loss_module.default_value_estimator)["gamma"])
