"""Time one PreQN update on Pong frames against a DQN update and a PreQN by whole Jacobians."""

import copy
from collections.abc import Callable
from statistics import mean, median

import numpy as np
import torch
from torch import nn

import qdiverge as qd
from experiments.speed import record
from experiments.speed.peers.torch_func_flat import jacobian
from experiments.speed.record import made_by, save
from experiments.speed.rounds import interleaved
from experiments.tables import Column, print_table
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.networks import NatureNetwork, channels_last
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.preqn import solve
from qdiverge.preqn.step import chosen, cosine

COLUMNS = (
    Column("N", "N"),
    Column("DQN, ms", "dqn_ms", ".1f"),
    Column("PreQN, ms", "preqn_ms", ".1f"),
    Column("× DQN", "preqn_over_dqn", ".2f"),
    Column("backtracks", "mean_backtracks", ".2f"),
    Column("by Jacobians, ms", "jacobian_ms", ".1f"),
    Column("× PreQN", "jacobian_over_preqn", ".2f"),
)


def main(arguments: list[str]) -> int:
    """Return time, print and write ``results/preqn.json``; return the exit status."""
    parser = record.parser("preqn", __doc__, threads=1, clock="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 256], help="batch sizes")
    parser.add_argument("--repeats", type=int, default=20, help="rounds (default 20)")
    parser.add_argument("--budget", type=float, default=40, help="seconds for each function")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = [measure(size, options.repeats, options.budget, options.clock) for size in options.sizes]
    table = {
        "rows": rows,
        "threads": options.threads,
        "clock": options.clock,
        **made_by("preqn", arguments),
    }
    save(table, options.out, "preqn")
    print_table("a PreQN update against a DQN update", COLUMNS, rows)
    return 0


def measure(size: int, repeats: int, budget: float, clock: str) -> dict[str, float]:
    """Return one row: the median milliseconds of each update at batch ``size``, and ratios."""
    agent, batch = case(size)
    plain, ours, slow = (copy.deepcopy(agent) for _ in range(3))
    preqn, backtracks = qd.PreQN(ours.q_network), []

    def update_preqn() -> None:
        step = preqn.step(batch.observations, batch.actions, targets=ours.targets(batch))
        backtracks.append(step.num_backtracks)

    by_jacobians = JacobianPreQN(slow.q_network)
    functions: dict[str, Callable[[], object]] = {
        "dqn": lambda: plain.update(batch),
        "preqn": update_preqn,
        "jacobian": lambda: by_jacobians.step(
            batch.observations, batch.actions, slow.targets(batch)
        ),
    }
    for function in functions.values():
        function()
    backtracks.clear()
    times = interleaved(functions, repeats=repeats, budget=budget, turn=0)
    failed = {name: each.failure for name, each in times.items() if each.failure}
    if failed:
        raise RuntimeError(str(failed))
    ms = {name: 1e3 * median(each.seconds(clock)) for name, each in times.items()}
    return {
        "N": size,
        **{f"{name}_ms": round(value, 1) for name, value in ms.items()},
        "preqn_over_dqn": round(ms["preqn"] / ms["dqn"], 2),
        "jacobian_over_preqn": round(ms["jacobian"] / ms["preqn"], 2),
        "mean_backtracks": round(mean(backtracks), 2),
        "rounds": len(times["preqn"].wall),
    }


def case(size: int) -> tuple[DQN, qd.Transitions]:
    """Return a DQN agent and a batch of Pong under random play, from fixed seeds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        q_net = channels_last(NatureNetwork(6))
    rng, games = np.random.default_rng(0), AtariEnvironments("Pong", num_envs=8, seed=0)
    s = games.reset().copy()
    transitions: list[tuple[np.ndarray, ...]] = []
    while len(transitions) * 8 < size:
        for _ in range(10):  # agent steps between two transitions
            a = rng.integers(6, size=8)
            before, step = s, games.step(a)
            s = step.observations.copy()
        transitions.append(
            (before, a, step.rewards, step.next_observations.copy(), step.terminated)
        )
    games.close()
    columns = [
        torch.from_numpy(np.concatenate(column))[:size] for column in zip(*transitions, strict=True)
    ]
    return DQN(q_net, DQNConfig()), qd.Transitions(*columns)


class JacobianPreQN:
    """The same update written down plainly: J by vmap(grad), K = J Jᵀ, θ + α Jᵀ (K + λI)⁻¹ Δ."""

    def __init__(self, q_net: nn.Module) -> None:
        self.q_net, self.like = q_net, qd.PreQN(q_net)
        for parameter in q_net.parameters():
            parameter.data = parameter.data.contiguous()  # for parameters_to_vector

    @torch.no_grad()
    def step(
        self, observations: torch.Tensor, actions: torch.Tensor, targets: torch.Tensor
    ) -> None:
        """Move the parameters, with the line search of :class:`qdiverge.PreQN`."""
        q_values = chosen(self.q_net, observations, actions)
        delta = targets - q_values
        J = jacobian(self.q_net, observations, actions)[:, 0]
        K = J @ J.T
        Z = solve(K, delta, damping=self.like.damping).solution
        move = J.T @ Z.to(J.dtype)
        parameters = list(self.q_net.parameters())
        before = torch.nn.utils.parameters_to_vector(parameters).clone()
        rate = self.like.learning_rate
        for _ in range(self.like.max_backtracks + 1):
            torch.nn.utils.vector_to_parameters(before + rate * move, parameters)
            moved = chosen(self.q_net, observations, actions) - q_values
            if cosine(moved, K.double() @ Z) >= self.like.alignment:
                return
            rate *= self.like.shrink
        torch.nn.utils.vector_to_parameters(before, parameters)
