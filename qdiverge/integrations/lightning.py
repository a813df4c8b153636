"""PyTorch Lightning: a callback for modules that are Q-learners.

    Trainer(callbacks=[lightning.Callback("runs/x", q_network="net", target="target_net")])

Lightning knows no Q-network, so its name in the module is given.
"""

import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, RandomSampler, TensorDataset, default_collate

from qdiverge.integrations.extras import imported
from qdiverge.integrations.user_options import with_options
from qdiverge.kernel.network import module_of
from qdiverge.monitor import Monitor, attach

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback as LightningCallback
else:
    LightningCallback = imported("lightning.pytorch.callbacks", "lightning").Callback

BY_VALUE = "gradients are clipped entry by entry"
Where = str | Sequence[str]  # a name in the module, such as "agent.q"; or several


class Callback(LightningCallback):
    """A watch over one call of ``trainer.fit``, from its start to its end, also by an exception.

    With ``on_alarm="stop"`` it sets ``trainer.should_stop`` after the present batch, which ends the
    training as early stopping does, not before ``min_steps`` and ``min_epochs``.

    Args:
        out: A new run folder.
        q_network: Where in the module the Q-network is, or the critic, or each of several critics.
        target: Where its target is, or theirs; None without one.
        policy: Of a critic: where what gives s' → a' is, see :func:`qdiverge.attach`.
        optimizer: Which of the trainer's optimisers trains the Q-network, as ``trainer.optimizers``
            numbers them.
        read: Makes a dict of transitions, or :class:`qdiverge.Transitions`, of a batch that is a
            tuple; None: the batch has the usual names.
        options: Of :func:`qdiverge.attach`, such as ``discount``, ``loss``, ``cost`` and ``every``.

    Attributes:
        monitor: What is attached; None before the start.
    """

    def __init__(
        self,
        out: Any,
        *,
        q_network: Where = "q_network",
        target: Where | None = "target_network",
        policy: str | None = None,
        optimizer: int = 0,
        read: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.monitor: Monitor | None = None
        self._where = {"q_network": q_network, "target": target, "policy": policy}
        self._out, self._optimizer, self._read = out, optimizer, read
        self._options = options

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the monitor."""
        parts = {key: _find(pl_module, where) for key, where in self._where.items()}
        own = {k: v for k, v in pl_module.hparams.items() if isinstance(v, int | float | str)}
        config = {"framework": "lightning", "algorithm": type(pl_module).__name__} | own
        read_off = parts | {
            "config": config,
            "rule": known_rule(trainer),
            "foresight": of_copies(trainer, pl_module, parts["policy"], self._read),
        }
        self.monitor = attach(
            out=self._out,
            optimizer=trainer.optimizers[self._optimizer],
            **with_options(read_off, self._options),
        )

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the batch of the next update."""
        del trainer, pl_module, batch_idx
        assert self.monitor is not None
        self.monitor.show(batch, self._read)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let the trainer stop, once an alarm says so."""
        del pl_module, outputs, batch, batch_idx
        if self.monitor is not None and self.monitor.stopped_by is not None:
            trainer.should_stop = True

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Leave the module."""
        del trainer, pl_module
        stopped = self.monitor is not None and self.monitor.stopped_by is not None
        self.close("alarm" if stopped else "finished")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave the module."""
        del trainer, pl_module, exception
        self.close("interrupted")

    def close(self, status: str = "finished") -> None:
        """Remove the monitor's hook; called at the end of training."""
        if self.monitor is not None:
            self.monitor.close(status)


def known_rule(trainer: Any) -> dict[str, Any]:
    """Return the fields of :class:`qdiverge.UpdateRule` that a trainer determines: its clipping.

    What there is beyond that, the module's own code decides, and the run shows.

    >>> from types import SimpleNamespace
    >>> known_rule(SimpleNamespace(gradient_clip_val=0.5, gradient_clip_algorithm="norm"))
    {'clipping': 0.5}
    """
    if (value := trainer.gradient_clip_val) is None:
        return {}  # a module may clip by itself
    kind = trainer.gradient_clip_algorithm  # None, a string, or an enumeration of strings
    if getattr(kind, "value", kind) in (None, "norm"):
        return {"clipping": float(value)}
    return {"not_modelled": BY_VALUE}


def of_copies(
    trainer: Any, module: Any, policy: Any, read: Callable[[Any], Any] | None
) -> dict[str, Any]:
    """Return what copies that run ahead learn from, for how long, and what trains the actor.

    Of a loader that shuffles plain tensors they have all rows, which stay as they are. Any other
    may be moved by a look at it, or change what it gives: of it the last batches serve. How many
    updates a module makes that optimises by itself, it alone knows.
    """
    options: dict[str, Any] = {}
    if (rows := _rows(trainer.train_dataloader, read)) is not None:
        options |= {"data": rows, "batch_size": trainer.train_dataloader.batch_size}
    if module.automatic_optimization and trainer.estimated_stepping_batches < math.inf:
        options["num_updates"] = max(1, int(trainer.estimated_stepping_batches))
    if (actor := module_of(policy)) is not None:
        own = {id(p) for p in actor.parameters()}
        for optimizer in trainer.optimizers:
            if {id(p) for group in optimizer.param_groups for p in group["params"]} == own:
                options["policy_optimizer"] = optimizer
    return options


def _rows(loader: Any, read: Callable[[Any], Any] | None) -> Any:
    """Return all the transitions of a loader that shuffles plain tensors; None: of another."""
    if type(loader) is not DataLoader or type(loader.dataset) is not TensorDataset:
        return None
    is_plain = type(loader.sampler) is RandomSampler and loader.collate_fn is default_collate
    if not is_plain or loader.batch_size is None or read is None:
        return None
    return read(list(loader.dataset.tensors))


def _find(module: Any, where: Where | None) -> Any:
    """Return what a name in the module stands for; several as a list."""
    if where is None:
        return None
    if isinstance(where, str):
        return attrgetter(where)(module)
    return [attrgetter(name)(module) for name in where]
