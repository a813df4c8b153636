"""``qd.attach``: three lines in somebody else's training loop."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from qdiverge.checks import check_finite_number
from qdiverge.diagnostics import Cost
from qdiverge.diagnostics.critics import Policy
from qdiverge.errors import InvalidValueError
from qdiverge.kernel.network import Networks, each_of
from qdiverge.monitor.attach_checks import (
    check_networks,
    present_target,
    warn_of_other_discount,
)
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.monitor import Monitor
from qdiverge.monitor.options import Loss, MonitorOptions, OnAlarm
from qdiverge.monitor.subject import Subject
from qdiverge.runs import RunLog, Sink
from qdiverge.runs.plain_settings import plain_settings
from qdiverge.sinks import as_sink
from qdiverge.td import Bootstrap
from qdiverge.tensor_checks import check_optimizer
from qdiverge.thing_checks import check_callable, check_list, check_text


def attach(
    q_network: Networks,
    *,
    optimizer: torch.optim.Optimizer,
    target: Networks | Callable[[], Networks] | None = None,
    discount: float = 0.99,
    out: str | os.PathLike[str] | RunLog,
    every: int = 25,
    cost: Cost = "standard",
    max_overhead: float | None = 0.05,
    on_alarm: OnAlarm = "log",
    loss: Loss | float | None = None,
    reward_bound: float | None = None,
    bootstrap: Bootstrap | None = None,
    policy: Policy | None = None,
    entropy_coefficient: float | Callable[[], float] = 0.0,
    not_modelled: str = "",
    probe_size: int = 64,
    probe_refresh_period: int = 10_000,
    audit_period: int | None = 1_000,
    foresight: bool | Mapping[str, Any] = True,
    rule: Mapping[str, Any] | None = None,
    clock: Callable[[], int] | None = None,
    step_unit: str | None = None,
    name: str | None = None,
    config: Any = None,
    sinks: Sequence[Sink | str] = (),
) -> Monitor:
    """Attach the diagnostics to a training run of your own.

    Args:
        q_network: Called as ``q_network(observations)``; returns Q-values [N, A]. Or a critic,
            called with observations and actions [N, k], that returns [N], [N, 1] or a tuple of
            such (a twin); or several critics. Kernel and features are those of the first, values of
            all. A compiled module is looked at without its compilation.
        optimizer: The optimiser of ``q_network``; its ``step`` is the seam. Of a framework's
            wrapper, the optimiser inside.
        target: The target network, or the target of each critic; None where the Q-network makes its
            own targets. How it follows, by copies or averaging, is seen. Where the loop binds it to
            another object now and then, a function that returns the present one:
            ``target=lambda: target``.
        discount: γ; of an n-step target γⁿ.
        out: A new run folder, or an open :class:`qdiverge.runs.RunLog` to share.
        every: Updates between measurements.
        cost: The dearest tier to run: "light" (forward passes), "standard" (one kernel), "full".
        max_overhead: The share of the run's own time that measurements may take before they are
            thinned, the costly ones first; 3/20 of it with ``cost="light"``. None: no limit, for
            a deterministic schedule.
        on_alarm: "log"; "snapshot" (keep the update after each measurement in memory, and write it
            to ``snapshots/UPDATE`` at an alarm); "stop" (the next :meth:`Monitor.batch` raises,
            once values diverge or are about to); called with each alarm, whose ``kind`` tells those
            of divergence from findings in the loop and notes on the network, an error becoming a
            warning, and what is no error by its name, such as Optuna's ``TrialPruned``, being
            raised by the next :meth:`Monitor.batch`; or a tuple of these.
        loss: "huber" and "half_squared" have the step α = lr, "squared" (``mse_loss``) α = 2 lr; of
            another loss, c with α = c lr: its gradient is −c Σ ρ_i δ_i ∇Q_i at small δ, and no
            update is audited. None: as an audit sees it, and "huber" until then.
        reward_bound: r_max of the soft-divergence bound r_max/(1−γ); None: the largest |r| of all
            batches shown.
        bootstrap: Of discrete actions, who selects a' and who evaluates it: "q" (the online network
            both), "target_q" (the target both), "double_q" (online, target), "inverse_double_q"
            (target, online); None: "target_q", or "q" without a target. Critics bootstrap from the
            least of the targets.
        policy: Of a critic, s' → a', or (a', log π): the target policy of DDPG and TD3, the present
            one of SAC. Asked under its own random state. None: batches have ``next_actions``, or
            what needs a' is off.
        entropy_coefficient: α_H of a soft critic (SAC), or what returns it now.
        not_modelled: Why no linear theory is of the run's update, in a sentence, such as "Q lies
            inside C51's support"; what speaks of its step is then left out. Optimisers that are not
            modelled are recognised by themselves.
        probe_size: Transitions in the probe batch, N.
        probe_refresh_period: Updates between fresh probe batches at most; a young run has one each
            time that it has doubled its length.
        audit_period: Updates between two audits of the loop itself (:func:`qdiverge.audit`), the
            first ones and doublings apart; what one finds is an alarm of the kind "loop". At most
            15 % of ``max_overhead`` goes to them. None: none is made.
        foresight: Whether copies of the run train ahead of it now and then, and call divergence
            before it starts, with the mildest change that held in rehearsal. What they take is
            within ``max_overhead`` of the whole run. They learn from the last batches shown, unless
            more is told in a dict: ``data`` (a function that returns a batch of the replay and
            draws by global generators or its own, or transitions that stay as they are),
            ``fixed`` (whether such a function draws from data that stay: where it draws as the run
            does, one copy learns in the run's own order), ``live`` (of a copy that goes on as the
            run will, environment and all: the loop itself, an object that holds all of the run,
            whose ``next_batch()`` acts and returns a batch, or None at the end, and whose
            ``learn(batch)`` makes the update; or a function of the batch under way that returns an
            object whose deep copy goes on by ``update()``; None: not from this batch on),
            ``num_updates`` of the whole run,
            ``num_rows`` (returns how many transitions the replay holds: of a small one copies do
            not learn for long), and arguments of :func:`qdiverge.rehearse`: batch_size, generators,
            policy, policy_optimizer, policy_target, policy_period, update, others; or ``apply``, a
            function that changes the run as the remedy says, field of the rule → value, with
            ``remedies``, the fields that it can change.
        rule: Fields of :class:`qdiverge.UpdateRule` that are known beside all this, such as
            ``{"polyak": 0.005, "clipping": 10.0}``; what is seen in the run comes first. With
            ``not_modelled`` among them updates are audited all the same.
        clock: Returns the run's step, e.g. agent steps; None: updates are counted.
        step_unit: What ``clock`` counts, for pages, such as "agent steps"; None: "steps", or
            "updates" without a clock.
        name: The run's, for pages; None: the folder's.
        config: The run's settings, for ``run.json``: a dict, a dataclass or a namespace; of what
            JSON has not, see :func:`qdiverge.runs.plain_settings.plain_settings`.
        sinks: Further places for metrics and alarms: "tensorboard", "wandb", "mlflow", or objects
            of :mod:`qdiverge.sinks` or your own. One that fails is switched off with a warning.

    Returns:
        The monitor, also a context manager; close it at the end.

    Raises:
        InvalidValueError: an option is out of range, the optimiser trains other parameters, the
            target is no copy of the network, another monitor watches it, or ``sinks`` stand beside
            a shared log, which has its own.
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
        bootstrap=bootstrap,
        not_modelled=not_modelled,
        probe_size=probe_size,
        probe_refresh_period=probe_refresh_period,
        audit_period=audit_period,
        foresight=ForesightOptions.of(foresight),
        rule={} if rule is None else rule,
    )
    networks = each_of(q_network, "q_network")
    for function, what, given in (
        ("policy", "a function of s'", policy),
        ("clock", "a function that returns the run's step", clock),
    ):
        if given is not None:
            check_callable(function, given, what)
    if not callable(entropy_coefficient):
        entropy_coefficient = check_finite_number("entropy_coefficient", entropy_coefficient)
    for text, written in (("name", name), ("step_unit", step_unit)):
        if written is not None:
            check_text(text, written)
    own_settings = plain_settings("config", config)
    present = present_target(target)
    targets = present() if target is not q_network else []
    optimizer = check_optimizer("optimizer", optimizer)
    check_networks(networks, targets, optimizer)
    is_fixed = isinstance(target, nn.Module) or not callable(target)
    lookup = None if is_fixed else present
    subject = Subject(networks, targets, optimizer, options, policy, entropy_coefficient, lookup)
    is_shared = isinstance(out, RunLog)
    if is_shared and (name is not None or step_unit is not None):
        raise InvalidValueError(
            "name and step_unit belong to the log that is shared",
            remedy='Use RunLog(…, step_unit="agent steps", info={"name": "…"}).',
        )
    if is_shared and sinks:
        raise InvalidValueError(
            "sinks belong to the log that is shared", remedy="Use RunLog(…, sinks=[…])."
        )
    opened = [as_sink(sink) for sink in check_list("sinks", sinks)]
    settings = {
        "discount": options.discount,
        "optimizer": type(optimizer).__name__,
        "learning_rate": float(optimizer.param_groups[0]["lr"]),
    } | own_settings
    if isinstance(out, RunLog):
        log = out
    else:
        unit = step_unit or ("updates" if clock is None else "steps")
        info = {} if name is None else {"name": name}
        log = RunLog(out, settings, step_unit=unit, info=info, sinks=opened)
    log.note({"update_rule": str(subject.rule)})
    warn_of_other_discount(options.discount, log.info["config"] if is_shared else own_settings)
    return Monitor(subject, log, owns_log=not is_shared, clock=clock)
