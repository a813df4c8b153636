"""The public entry points, each with arguments that it takes."""

import copy
import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import analysis.statistics as statistics
import qdiverge as qd
from qdiverge import theory, update
from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.evaluation.statistics import summarise
from qdiverge.agents.networks import (
    MLP,
    CategoricalQ,
    MinAtarNetwork,
    NatureNetwork,
    channels_last,
    start_at,
)
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.algorithms import CONFIGS
from qdiverge.cli import main
from qdiverge.diagnostics import (
    SarsaTransitions,
    as_transitions,
    diagnostics_up_to,
    divergence_limit,
    growth_rate,
)
from qdiverge.integrations import sb3
from qdiverge.monitor import MonitorOptions, dump_state, load_state
from qdiverge.preqn import cosine, solve
from qdiverge.report import write_report
from qdiverge.report.inspector import Inspection, inspection_of, write_inspection
from qdiverge.runs import (
    RunLog,
    Tail,
    export_run,
    find_runs,
    is_run,
    read_events,
    read_info,
    status_of,
)
from qdiverge.sinks import MLflow, TensorBoard, WandB, as_sink
from tests.fuzz.door import Arguments, Door
from tests.fuzz.laboratory import LABORATORY, q_of

N = 5  # transitions


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


class Critic(nn.Module):
    """Q(s, a) of floating-point actions."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(5, 1)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        return self.inner(torch.cat([observations, actions], 1))


class Acts(nn.Module):
    """s → a."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, observations: Tensor) -> Tensor:
        return self.inner(observations).tanh()


def batch() -> dict[str, Tensor]:
    return {
        "observations": torch.randn(N, 3),
        "actions": torch.tensor([0, 1, 1, 0, 1]),
        "rewards": torch.rand(N),
        "next_observations": torch.randn(N, 3),
        "terminated": torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]),
    }


def watched() -> Arguments:
    """A network, its batch, target and optimiser."""
    q_net = network()
    return {
        "q_net": q_net,
        "batch": batch(),
        "target": copy.deepcopy(q_net),
        "optimizer": torch.optim.SGD(q_net.parameters(), lr=0.01),
    }


def pairs(_: Path) -> Arguments:
    data = batch()
    return {"q_net": network(), "observations": data["observations"], "actions": data["actions"]}


def cross(folder: Path) -> Arguments:
    own = pairs(folder)
    return own | {
        "other_observations": torch.randn(4, 3),
        "other_actions": torch.tensor([0, 1, 0, 1]),
        "method": "auto", "block_size": 4, "dtype": torch.float64, "gram_precision": "full",
        "preconditioner": {k: torch.ones_like(p) for k, p in own["q_net"].named_parameters()},
    }  # fmt: skip


def of_ntk(name: str, **more: Callable[[], Any]) -> Door:
    """A method of the kernel."""

    def call(q_net: Any, **arguments: Any) -> Any:
        return getattr(qd.NTK(q_net), name)(**arguments)

    return Door(call, lambda folder: pairs(folder) | {k: make() for k, make in more.items()})


def kernel() -> Tensor:
    features = torch.randn(N, 3, dtype=torch.float64)
    return features @ features.T


def rho() -> Tensor:
    return torch.full((N,), 1 / N, dtype=torch.float64)


def with_gradient(folder: Path) -> Arguments:
    own = watched() | {
        "discount": 0.9, "entropy_coefficient": 0.0, "bootstrap": "target_q",
        "loss": "half_squared", "max_grad_norm": 10.0, "policy": None,
    }  # fmt: skip
    data = own["batch"]
    own["batch"] |= {"weights": torch.ones(N), "truncated": torch.zeros(N)}
    own["q_net"](data["observations"])[:, 0].square().mean().backward()
    return own


def for_diagnosis(_: Path) -> Arguments:
    return watched() | {
        "discount": 0.9, "learning_rate": 0.01, "target_period": 3, "polyak": None,
        "loss": "huber", "loss_factor": 1.0, "reward_bound": 1.0, "bootstrap": "target_q",
        "policy": None, "entropy_coefficient": 0.0, "not_modelled": "", "rule": None,
        "batch_size": 2,
    }  # fmt: skip


def of_critics(_: Path) -> Arguments:
    critics = [Critic(), Critic()]
    data = batch() | {"actions": torch.rand(N, 2), "next_actions": torch.rand(N, 2)}
    both = [p for critic in critics for p in critic.parameters()]
    return {
        "q_net": critics, "batch": data, "target": copy.deepcopy(critics),
        "optimizer": torch.optim.SGD(both, lr=0.01), "policy": Acts(), "polyak": 0.01,
        "entropy_coefficient": 0.0, "discount": 0.9,
    }  # fmt: skip


def ahead(_: Path) -> Arguments:
    own = watched()
    own["data"] = own.pop("batch")
    return own | {
        "discount": 0.9, "loss": "huber", "bootstrap": "target_q", "target_period": 2,
        "clipping": 1.0, "batch_size": 3, "reward_bound": 1.0, "num_updates": 3, "num_orders": 2,
        "speed": 1.0, "seed": 0, "policy": None, "since_copy": 0, "rule": None, "polyak": None,
        "policy_period": 1, "others": (), "probe": None, "generators": (), "update": None,
    }  # fmt: skip


def ahead_of_rule(_: Path) -> Arguments:
    own = ahead(_)
    kept = ("q_net", "data", "optimizer", "num_updates", "num_orders", "speed", "seed", "discount")
    return {name: own[name] for name in kept}


def attached(folder: Path) -> Arguments:
    own = watched()
    return {
        "q_network": own["q_net"], "optimizer": own["optimizer"], "target": own["target"],
        "out": folder / "run", "discount": 0.9, "every": 2, "cost": "light", "max_overhead": 0.05,
        "on_alarm": "log", "loss": "huber", "reward_bound": 1.0, "bootstrap": "target_q",
        "policy": None, "entropy_coefficient": 0.0, "not_modelled": "", "probe_size": 8,
        "probe_refresh_period": 100, "audit_period": 100, "foresight": {"num_updates": 10},
        "rule": {"polyak": 0.1}, "clock": None, "step_unit": "steps", "name": "a run",
        "config": {"gamma": 0.9, "size": 3}, "sinks": (),
    }  # fmt: skip


def attach_and_close(**arguments: Any) -> None:
    qd.attach(**arguments).close()


def watch(folder: Path, data: Any, numbers: Any) -> None:
    """A loop of some updates, in which a batch and numbers are shown; its page is made."""
    torch.manual_seed(0)
    own = watched()
    q_net, optimizer = own["q_net"], own["optimizer"]
    with qd.attach(
        q_net, optimizer=optimizer, target=own["target"], out=folder / "run", every=1,
        cost="light", foresight=False, max_overhead=None,
    ) as monitor:  # fmt: skip
        for shown in (data, own["batch"]):
            monitor.batch(shown)
            monitor.log(numbers)
            q_net(own["batch"]["observations"]).square().mean().backward()
            optimizer.step()
    run = qd.load_run(folder / "run")
    assert run.info["status"] == "finished", run.info
    assert "lost_writes" not in run.info, run.info
    assert run.series["diverge/q_max"].steps.tolist()[-1] == 2
    write_report([folder / "run"])


@cache
def made_run() -> Path:
    """A run that is made once, to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="qdiverge-fuzz-"))
    with RunLog(folder / "run", {"discount": 0.9}) as log:
        log.metrics(1, {"charts/episodic_return": 1.0, "diverge/q_max": 0.5})
        log.metrics(2, {"charts/episodic_return": 2.0, "diverge/q_max": 0.7})
    return folder / "run"


def run_of(folder: Path) -> Path:
    return Path(shutil.copytree(made_run(), folder / "run"))


@cache
def made_snapshot() -> Path:
    """An update of a run that is kept whole, made once."""
    folder = Path(tempfile.mkdtemp(prefix="qdiverge-fuzz-"))
    own = watched()
    q_net, optimizer = own["q_net"], own["optimizer"]
    with qd.attach(q_net, optimizer=optimizer, out=folder / "run", cost="light") as monitor:
        monitor.snapshot()
        monitor.batch(own["batch"])
        q_net(own["batch"]["observations"]).square().mean().backward()
        optimizer.step()
    return next((folder / "run" / "snapshots").iterdir())


@cache
def made_inspection() -> Inspection:
    own = watched()
    return inspection_of(own["q_net"], own["batch"], 0.9, 0.1)


def a_state() -> Arguments:
    """Of a monitor: numbers, text, tensors, and what JSON has not."""
    return {"count": 1, "size": float("inf"), "name": "x", "kept": [torch.ones(2), None]}


def command(arguments: Any) -> int | str | None:
    """Of a terminal: argparse ends the process where it does not know the words."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def logged(folder: Path, config: Any, step: Any, values: Any, step_unit: Any, info: Any) -> None:
    """A log of one line, which is read again."""
    with RunLog(folder / "log", config, step_unit=step_unit, info=info) as log:
        log.metrics(step, values)
    qd.load_run(folder / "log")
    write_report([folder / "log"])


def settings(name: str) -> Arguments:
    kind: Any = CONFIGS[name]
    return {f.name: getattr(kind(), f.name) for f in dataclasses.fields(kind) if f.init}


def config_of(name: str) -> Door:
    return Door(CONFIGS[name], lambda _: settings(name))


def train(config: Any, **options: Any) -> None:
    trainer = Trainer(config, **options)
    trainer.close()


def small_config() -> Any:
    kind: Any = CONFIGS["dqn"]
    return kind().adapted(
        "task", environment="CartPole-v1", total_steps=20, buffer_size=100, learning_starts=10,
        batch_size=4,
    )  # fmt: skip


DOORS: dict[str, Door] = LABORATORY | {
    # the kernel
    "NTK": Door(qd.NTK, lambda f: {
        "q_net": network(), "method": "auto", "block_size": 3, "preconditioner": None,
        "dtype": None, "gram_precision": "full", "trial_runs": "once"}),
    "empirical_ntk": Door(qd.empirical_ntk, cross),
    "NTK.kernel": of_ntk("kernel", other_observations=lambda: torch.randn(4, 3),
                         other_actions=lambda: torch.tensor([0, 1, 0, 1])),
    "NTK.diagonal": of_ntk("diagonal"),
    "NTK.abs_row_sums": of_ntk("abs_row_sums", rho=lambda: torch.full((N,), 1 / N)),
    "NTK.matvec": of_ntk("matvec", vector=lambda: torch.randn(N)),
    "NTK.by_layer": of_ntk("by_layer"),
    "NTK.of_actions": of_ntk("of_actions", other_observations=lambda: torch.randn(4, 3),
                             other_actions=lambda: torch.tensor([0, 1, 0, 1])),
    "NTK.plan": of_ntk("plan"),
    # the theory
    "check_contraction": Door(qd.check_contraction, lambda f: {
        "K": kernel(), "rho": rho(), "discount": 0.9, "learning_rate": 0.1}),
    "check_stability": Door(qd.check_stability, lambda f: {
        "K": kernel(), "successor_kernel": torch.randn(N, 2, N, dtype=torch.float64),
        "greedy_actions": torch.tensor([0, 1, 0, 1, 0]), "rho": rho(), "learning_rate": 0.1,
        "target_period": 2, "polyak": None, "batch_size": 2, "descent": theory.Descent(0.1),
        "sample_weights": torch.ones(N, dtype=torch.float64), "is_double": False}),
    "check_minibatch": Door(theory.check_minibatch, lambda f: {
        "A": -kernel(), "batch_size": 2, "learning_rate": 0.1, "rho": rho()}),
    "critical_learning_rate": Door(theory.critical_learning_rate, lambda f: {
        "A": -kernel(), "batch_size": 2, "rho": rho()}),
    "attribute": Door(theory.attribute, lambda f: {
        "kernels": {"0": kernel()}, "successor_kernels": {"0": kernel()}, "rho": rho(),
        "learning_rate": 0.1, "sample_weights": torch.ones(N, dtype=torch.float64)}),
    "Descent": Door(theory.Descent, lambda f: {
        "learning_rate": 0.1, "momentum": 0.9, "gain": 1.0, "is_nesterov": False, "decay": 0.0,
        "coupled_decay": 0.0}),
    "forecast_blow_up": Door(theory.forecast_blow_up, lambda f: {
        "times": torch.arange(12.0), "values": 1.1 ** torch.arange(12.0), "law": "finite_time",
        "depth": 3, "threshold": 100.0, "confidence": 0.9}),
    "linearisation_error": Door(theory.linearisation_error, lambda f: {
        "predicted": torch.randn(N), "actual": torch.randn(N)}),
    "log_error_bound": Door(theory.log_error_bound, lambda f: {"moduli": torch.rand(N)}),
    "spectral_bounds": Door(theory.spectral_bounds, lambda f: {
        "kernel_product": lambda v: v, "successor_product": lambda v: 0.5 * v, "rho": rho(),
        "learning_rate": 0.1, "dense_limit": 10, "count": 2}),
    "sup_norm_modulus": Door(theory.sup_norm_modulus, lambda f: {
        "K": kernel(), "transitions": torch.full((N, N), 1 / N, dtype=torch.float64),
        "rho": rho(), "discount": 0.9, "learning_rate": 0.1}),
    "time_to_threshold": Door(theory.time_to_threshold, lambda f: {
        "value": 1.0, "spectral_radius": 1.1, "threshold": 10.0}),
    # batches
    "Transitions": Door(qd.Transitions, lambda f: batch()),
    "SarsaTransitions": Door(SarsaTransitions, lambda f: batch() | {
        "actions": torch.rand(N, 2), "next_actions": torch.rand(N, 2)}),
    "cosine": Door(cosine, lambda f: {"x": torch.randn(N), "y": torch.randn(N)}),
    "as_transitions": Door(as_transitions, lambda f: {"batch": batch()}),
    # one moment
    "diagnose": Door(qd.diagnose, for_diagnosis),
    "diagnose of critics": Door(qd.diagnose, of_critics),
    "batch_spectrum": Door(qd.batch_spectrum, lambda f: watched() | {
        "discount": 0.9, "learning_rate": 0.1, "dense_limit": 10, "count": 2}),
    "soft_divergence_bound": Door(qd.soft_divergence_bound, lambda f: {
        "discount": 0.9, "reward_bound": 1.0, "entropy_bonus": 0.0}),
    "divergence_limit": Door(divergence_limit, lambda f: {
        "bound": 10.0, "td_error": 1.0, "discount": 0.9, "first_size": 1.0}),
    "growth_rate": Door(growth_rate, lambda f: {
        "updates": np.arange(9.0), "magnitudes": 1.1 ** np.arange(9.0)}),
    "inspect": Door(qd.inspect, lambda f: watched() | {
        "discount": 0.9, "learning_rate": 0.1, "out": f / "moment.html", "title": "One",
        "action_names": ("left", "right")}),
    "inspection_of": Door(inspection_of, lambda f: watched() | {
        "discount": 0.9, "learning_rate": 0.1, "action_names": ()}),
    "write_inspection": Door(write_inspection, lambda f: {
        "inspection": made_inspection(), "out": f / "moment.html", "title": "One"}),
    "diagnostics_up_to": Door(diagnostics_up_to, lambda f: {"cost": "light"}),
    # the update
    "UpdateRule": Door(qd.UpdateRule, lambda f: {
        field.name: getattr(qd.UpdateRule(), field.name)
        for field in dataclasses.fields(qd.UpdateRule)}),
    "audit": Door(qd.audit, with_gradient),
    "Auditor": Door(qd.Auditor, lambda f: {
        "q_net": network(), "every": 10, "target_patience": 10, "discount": 0.9}),
    "audit_data": Door(qd.audit_data, lambda f: {
        "replay": {k: torch.cat([v] * 6) for k, v in batch().items()}}),
    "update_exponent": Door(update.update_exponent, lambda f: watched() | {
        "discount": 0.9, "loss": "huber", "target_period": 2, "num_updates": 16},
        counts=("num_updates",)),
    "read_optimizer": Door(update.read_optimizer, lambda f: {
        "optimizer": (own := watched())["optimizer"], "modules": [own["q_net"]]}),
    "measured_otherwise": Door(update.measured_otherwise, lambda f: {"modules": [network()]}),
    "why_not_modelled": Door(update.why_not_modelled, lambda f: {"modules": [network()]}),
    # running ahead
    "rehearse": Door(qd.rehearse, ahead, ("num_updates", "num_orders", "batch_size", "seed")),
    "preflight": Door(qd.preflight, ahead_of_rule, ("num_updates", "num_orders")),
    "what_if": Door(qd.what_if, lambda f: ahead_of_rule(f) | {
        "changes": {"slower": {"learning_rate": 0.001}}}, ("num_updates", "num_orders")),
    # PreQN
    "PreQN": Door(qd.PreQN, lambda f: {
        "q_net": network(), "learning_rate": 0.1, "alignment": 0.9, "align_with": "reachable",
        "shrink": 0.5, "max_backtracks": 3, "damping": 0.01, "cutoff": None, "method": "auto"},
        ("max_backtracks",)),
    "PreQN.step": Door(
        lambda q_net, **options: qd.PreQN(q_net).step(**options),
        lambda f: pairs(f) | {"td_errors": torch.randn(N)}, moves=True),
    "solve": Door(solve, lambda f: {
        "K": kernel(), "td_errors": torch.randn(N), "damping": 0.1, "cutoff": 1e-6}),
    # the monitor, runs and pages
    "attach": Door(attach_and_close, attached),
    "watch": Door(watch, lambda f: {
        "folder": f, "data": batch(), "numbers": {"charts/episodic_return": 1.0}}, moves=True),
    "sb3.Callback": Door(sb3.Callback, lambda f: {"out": f / "x", "verbose": 0, "cost": "light"}),
    "RunLog": Door(logged, lambda f: {
        "folder": f, "config": {"discount": 0.9}, "step": 1, "values": {"a/b": 1.0},
        "step_unit": "updates", "info": {"name": "a run"}}, moves=True),
    "load_run": Door(qd.load_run, lambda f: {"folder": run_of(f)}),
    "load_snapshot": Door(qd.load_snapshot, lambda f: {"folder": made_snapshot()}),
    "read_info": Door(read_info, lambda f: {"folder": run_of(f)}),
    "status_of": Door(status_of, lambda f: {"info": {"status": "running", "process": None}}),
    "Tail": Door(lambda path: Tail(path).read(), lambda f: {"path": run_of(f) / "events.jsonl"}),
    "dump_state": Door(dump_state, lambda f: {"state": a_state()}),
    "load_state": Door(load_state, lambda f: {
        "files": dump_state(a_state()), "device": "cpu", "folder": f}),
    "MonitorOptions": Door(MonitorOptions, lambda f: {
        field.name: getattr(MonitorOptions(), field.name)
        for field in dataclasses.fields(MonitorOptions)}),
    "main": Door(command, lambda f: {
        "arguments": ["export", str(run_of(f)), "--format", "csv", "--out", str(f / "x.csv")]},
        moves=True),
    "read_events": Door(read_events, lambda f: {"folder": run_of(f)}),
    "is_run": Door(is_run, lambda f: {"folder": run_of(f)}),
    "find_runs": Door(find_runs, lambda f: {"folders": [run_of(f)]}),
    "export_run": Door(export_run, lambda f: {
        "folder": run_of(f), "out": f / "out.csv", "format": "csv", "layout": "wide",
        "metrics": ("diverge/q_max",)}),
    "write_report": Door(write_report, lambda f: {
        "folders": [run_of(f)], "out": f / "page.html"}),
    "TensorBoard": Door(TensorBoard, lambda f: {"folder": f / "tb"}),
    "WandB": Door(WandB, lambda f: {"run": None, "project": "x"}),
    "MLflow": Door(MLflow, lambda f: {"tracking_uri": None, "experiment": "x", "period": 1.0}),
    "as_sink": Door(as_sink, lambda f: {"sink": "tensorboard"}),
    "interquartile_mean": Door(statistics.interquartile_mean, lambda f: {"scores": q_of()}),
    "bootstrap_interval": Door(statistics.bootstrap_interval, lambda f: {
        "scores": q_of(), "confidence": 0.9, "num_resamples": 20, "seed": 0},
        ("num_resamples",)),
    "wilson_interval": Door(statistics.wilson_interval, lambda f: {
        "count": 3, "total": 9, "confidence": 0.9}),
    "summarise": Door(summarise, lambda f: {"scores": [1.0, 2.0, 3.0], "seed": 0}),
    # agents
    **{f"{name}'s configuration": config_of(name) for name in CONFIGS},
    "MLP": Door(MLP, lambda f: {
        "sizes": (3, 4, 2), "dueling": False, "layer_norm": False, "noisy": False,
        "num_atoms": 1, "activation": "relu"}, ("num_atoms",), moves=True),
    "NatureNetwork": Door(NatureNetwork, lambda f: {
        "num_actions": 3, "dueling": False, "noisy": False, "num_atoms": 1, "width_factor": 0.1},
        ("num_actions", "num_atoms", "width_factor"), moves=True),
    "MinAtarNetwork": Door(MinAtarNetwork, lambda f: {
        "shape": (10, 10, 4), "num_actions": 3, "num_atoms": 1, "width_factor": 0.5},
        ("num_actions", "num_atoms", "width_factor"), moves=True),
    "CategoricalQ": Door(CategoricalQ, lambda f: {
        "network": MLP((3, 4, 2), num_atoms=5), "value_min": -1.0, "value_max": 1.0,
        "num_atoms": 5}, ("num_atoms",)),
    "start_at": Door(start_at, lambda f: {"network": network(), "value": 1.0}, moves=True),
    "channels_last": Door(channels_last, lambda f: {"network": network()}, moves=True),
    "Checkpoints": Door(Checkpoints, lambda f: {"folder": f, "keep": 2}, moves=True),
    "Trainer": Door(train, lambda f: {
        "config": small_config(), "make_q_network": lambda shape, n: nn.Linear(shape[0], n),
        "transform_batch": None, "deadline_seconds": 10.0, "log_period": 10,
        "has_alignment": False}),
}  # fmt: skip
