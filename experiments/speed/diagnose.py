"""Time ``qd.diagnose`` on the Nature network, rule by rule, against the kernels that it needs."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import mse_loss

import qdiverge as qd
from experiments.speed import record
from experiments.speed.record import made_by, save
from experiments.speed.rounds import interleaved
from qdiverge.agents.networks import NatureNetwork
from qdiverge.diagnostics.preconditioner import step_scales
from qdiverge.td import values_of

# rule → optimiser's kind, its options, and what diagnose is told of the target
RULES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "SGD": ("SGD", {}, {}),
    "SGD, momentum": ("SGD", {"momentum": 0.9}, {}),
    "SGD, momentum, period 500": ("SGD", {"momentum": 0.9}, {"target_period": 500}),
    "SGD, momentum, τ = .005": ("SGD", {"momentum": 0.9}, {"polyak": 0.005}),
    "Adam": ("Adam", {}, {}),
    "Adam, period 500": ("Adam", {}, {"target_period": 500}),
    "Adam, τ = .005": ("Adam", {}, {"polyak": 0.005}),
}
KINDS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/diagnose.json``; return the exit status."""
    parser = record.parser("diagnose", __doc__, threads=torch.get_num_threads(), clock="wall")
    parser.add_argument("--size", type=int, default=256, help="transitions, N (default 256)")
    parser.add_argument("--num-actions", type=int, default=6)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    q_net, batch = case(options.size, options.num_actions)
    timed = functions(q_net, batch, options.learning_rate)
    times = interleaved(timed, repeats=options.repeats, budget=600, turn=0)
    failed = {name: each.failure for name, each in times.items() if each.failure}
    if failed:
        print(failed)
        return 1
    seconds = {name: min(each.seconds(options.clock)) for name, each in times.items()}
    over_kernels = {
        rule: round(seconds[f"diagnose, {rule}"] / seconds[f"kernels, {kind}"], 2)
        for rule, (kind, _, _) in RULES.items()
    }
    table = {
        "N": options.size,
        "num_actions": options.num_actions,
        "learning_rate": options.learning_rate,
        "threads": options.threads,
        "clock": options.clock,
        "least_seconds": {name: round(value, 4) for name, value in seconds.items()},
        "diagnose_over_kernels": over_kernels,
        **made_by("diagnose", arguments),
    }
    save(table, options.out, "diagnose")
    for rule, ratio in over_kernels.items():
        print(f"{rule:28} {seconds[f'diagnose, {rule}']:8.3f} s  {ratio:5.2f}× its kernels")
    return 0


def case(size: int, num_actions: int) -> tuple[torch.nn.Module, qd.Transitions]:
    """Return a Nature network and a batch of random frames, from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        q_net = NatureNetwork(num_actions)
    s, s_next = torch.randint(
        256, (2, size, 4, 84, 84), generator=generator, dtype=torch.uint8
    )  # fmt: skip
    batch = qd.Transitions(
        observations=s,
        actions=torch.randint(num_actions, (size,), generator=generator),
        rewards=torch.randn(size, generator=generator).sign(),
        next_observations=s_next,
        terminated=torch.rand(size, generator=generator) < 0.05,
    )
    return q_net, batch


def functions(
    q_net: torch.nn.Module, batch: qd.Transitions, learning_rate: float
) -> dict[str, Callable[[], object]]:
    """Return what is timed: each diagnosis, and what kernels the two kinds of optimiser need.

    These are K over the pairs, and that of every successor action with them.
    """
    timed: dict[str, Callable[[], object]] = {}
    target = copy.deepcopy(q_net)
    for rule, (kind, settings, of_target) in RULES.items():
        net = copy.deepcopy(q_net)
        optimizer = KINDS[kind](net.parameters(), lr=learning_rate, **settings)
        mse_loss(values_of(net(batch.observations), batch.actions), batch.rewards).backward()
        optimizer.step()  # the second moments are there
        timed.setdefault(f"kernels, {kind}", _kernels(net, batch, step_scales(optimizer, net)))
        known = {"target": target} | of_target if of_target else {}
        timed[f"diagnose, {rule}"] = _diagnosis(net, batch, {"optimizer": optimizer} | known)
    return timed


def _kernels(net: torch.nn.Module, batch: qd.Transitions, scales: Any) -> Callable[[], object]:
    ntk = qd.NTK(net, preconditioner=scales)
    return lambda: (
        ntk.kernel(batch.observations, batch.actions),
        ntk.kernel(batch.next_observations, "all", batch.observations, batch.actions),
    )


def _diagnosis(
    net: torch.nn.Module, batch: qd.Transitions, known: dict[str, Any]
) -> Callable[[], object]:
    return lambda: qd.diagnose(net, batch, **known)
