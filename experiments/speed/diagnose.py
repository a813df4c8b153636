"""Time ``qd.diagnose`` on the Nature network against the kernels that it needs."""

from collections.abc import Callable

import torch

import qdiverge as qd
from experiments.speed import record
from experiments.speed.record import made_by, save
from experiments.speed.rounds import interleaved
from qdiverge.agents.networks import NatureNetwork


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/diagnose.json``; return the exit status."""
    parser = record.parser("diagnose", __doc__, threads=torch.get_num_threads(), clock="wall")
    parser.add_argument("--size", type=int, default=256, help="transitions, N (default 256)")
    parser.add_argument("--num-actions", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    q_net, batch = case(options.size, options.num_actions)
    times = interleaved(functions(q_net, batch), repeats=options.repeats, budget=300, turn=0)
    failed = {name: each.failure for name, each in times.items() if each.failure}
    if failed:
        print(failed)
        return 1
    seconds = {name: min(each.seconds(options.clock)) for name, each in times.items()}
    needed = seconds["gram"] + seconds["other actions"]
    table = {
        "N": options.size,
        "num_actions": options.num_actions,
        "threads": options.threads,
        "clock": options.clock,
        "least_seconds": {name: round(value, 4) for name, value in seconds.items()},
        "diagnose_over_gram": round(seconds["diagnose"] / seconds["gram"], 2),
        "diagnose_over_kernels": round(seconds["diagnose"] / needed, 2),
        **made_by("diagnose", arguments),
    }
    save(table, options.out, "diagnose")
    for name, value in table["least_seconds"].items():
        print(f"{name:14} {value:8.3f} s")
    print(f"diagnose takes {table['diagnose_over_gram']}× one Gram over X and its successors,")
    print(f"{table['diagnose_over_kernels']}× that Gram and the kernel of the other actions.")
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


def functions(q_net: torch.nn.Module, batch: qd.Transitions) -> dict[str, Callable[[], object]]:
    """Return what is timed: the diagnosis, its one Gram, its kernel of every successor action."""
    ntk = qd.NTK(q_net)
    with torch.no_grad():
        greedy = q_net(batch.next_observations).argmax(1)
    both = torch.cat([batch.observations, batch.next_observations])
    actions = torch.cat([batch.actions, greedy])
    return {
        "gram": lambda: ntk.kernel(both, actions),
        "other actions": lambda: ntk.kernel(
            batch.next_observations, "all", batch.observations, batch.actions
        ),
        "diagnose": lambda: qd.diagnose(q_net, batch),
    }
