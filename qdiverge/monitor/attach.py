"""``qd.attach``: three lines in somebody else's training loop."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from qdiverge.diagnostics import Cost
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.monitor.monitor import Monitor
from qdiverge.monitor.options import Loss, MonitorOptions, OnAlarm
from qdiverge.runs import RunLog, Sink
from qdiverge.sinks import as_sink


def attach(
    q_network: nn.Module,
    *,
    optimizer: torch.optim.Optimizer,
    target: nn.Module | None = None,
    discount: float = 0.99,
    out: str | os.PathLike[str] | RunLog,
    every: int = 25,
    cost: Cost = "standard",
    max_overhead: float | None = 0.05,
    on_alarm: OnAlarm = "log",
    loss: Loss = "huber",
    reward_bound: float | None = None,
    probe_size: int = 64,
    probe_refresh_period: int = 10_000,
    clock: Callable[[], int] | None = None,
    config: dict[str, Any] | None = None,
    sinks: Sequence[Sink | str] = (),
) -> Monitor:
    """Attach the diagnostics to a training run of your own.

    Args:
        q_network: Called as ``q_network(observations)``; returns Q-values [N, A].
        optimizer: The optimiser of ``q_network``; its ``step`` is the seam.
        target: The target network; None where the Q-network makes its own targets.
        discount: γ.
        out: A new run folder, or an open :class:`qdiverge.runs.RunLog` to share.
        every: Updates between measurements.
        cost: The dearest tier to run: "light" (forward passes), "standard" (one kernel), "full".
        max_overhead: The share of the run's own time that costly diagnostics may take before they
            are thinned; None: no limit, for a deterministic schedule.
        on_alarm: "log"; "stop" (the next :meth:`Monitor.batch` raises); or called with each alarm.
        loss: "huber" and "half_squared" have the step α = lr, "squared" (``mse_loss``) α = 2 lr.
        reward_bound: r_max of the soft-divergence bound r_max/(1−γ); None: the largest |r| seen.
        probe_size: Transitions in the probe batch, N.
        probe_refresh_period: Updates between fresh probe batches.
        clock: Returns the run's step, e.g. agent steps; None: updates are counted.
        config: The run's settings, for ``run.json``.
        sinks: Further places for metrics and alarms: "tensorboard", "wandb", "mlflow", or objects
            of :mod:`qdiverge.sinks` or your own. One that fails is switched off with a warning.

    Returns:
        The monitor, also a context manager; close it at the end.

    Raises:
        InvalidValueError: an option is out of range, the optimiser trains other parameters, or
            ``sinks`` stand beside a shared log, which has its own.
        MissingExtraError: what a sink writes to is not installed.
        RunFolderError: ``out`` holds a run or cannot be written.
    """
    options = MonitorOptions(
        discount=discount,
        every=every,
        cost=cost,
        max_overhead=max_overhead,
        on_alarm=on_alarm,
        loss=loss,
        reward_bound=reward_bound,
        probe_size=probe_size,
        probe_refresh_period=probe_refresh_period,
    )
    _check_optimizer(q_network, optimizer)
    is_shared = isinstance(out, RunLog)
    if is_shared and sinks:
        raise InvalidValueError(
            "sinks belong to the log that is shared", remedy="Use RunLog(…, sinks=[…])."
        )
    found = [as_sink(sink) for sink in sinks]
    settings = {"discount": discount} | (config or {})
    log = out if isinstance(out, RunLog) else RunLog(out, settings, sinks=found)
    return Monitor(
        q_network, optimizer, log, options, target=target, owns_log=not is_shared, clock=clock
    )


def _check_optimizer(q_network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    if not isinstance(q_network, nn.Module):
        raise InvalidTypeError("q_network must be a torch.nn.Module", got=type(q_network).__name__)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InvalidTypeError(
            "optimizer must be a torch.optim.Optimizer", got=type(optimizer).__name__
        )
    own = {id(parameter) for parameter in q_network.parameters()}
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not own & trained:
        raise InvalidValueError(
            "the optimizer must train the parameters of q_network",
            got="an optimizer of other parameters",
            remedy="Pass the online network, not the target, and its own optimizer.",
        )
