"""Where one step moves the values of pairs that were not in its batch, by the damping of the solve.

At some updates of CartPole runs, each tried on a copy of the network and undone: the step of every
damping on the update's own batch, and what it does to the batch before it. A step that generalises
moves the values of both along their TD errors.
"""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from experiments.preqn.agents import CARTPOLE, METHODS
from experiments.tables import Column, print_table
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.run_loop import Trainer
from qdiverge.preqn import PreQN, cosine
from qdiverge.preqn.step import chosen
from qdiverge.td import td_errors
from qdiverge.transitions import Transitions

DAMPINGS = (0.0, 1e-3, 3e-3, 1e-2, 1e-1)
FIRST, PERIOD = 50, 100  # updates at which is looked
MEASURES = ("rate", "own", "other", "parameters", "alignment", "held_out_alignment")


def measure(num_seeds: int) -> dict[float, dict[str, float]]:
    """Return means over updates and seeds, for each damping.

    Returns:
        ``rate``: α of the step; ``own`` and ``other``: |ΔQ| / |δ| on its batch and on the other;
        ``parameters``: |Δθ| / |θ| for each |ΔQ| / |δ| of its batch; ``alignment`` and
        ``held_out_alignment``: cos(ΔQ, δ) on its batch and on the other.
    """
    rows: dict[float, list[tuple[float, ...]]] = {damping: [] for damping in DAMPINGS}
    for seed in range(num_seeds):
        for damping, row in _run(seed):
            rows[damping].append(row)
    means = {damping: np.nanmean(np.array(tried), axis=0) for damping, tried in rows.items()}
    return {d: dict(zip(MEASURES, mean.tolist(), strict=True)) for d, mean in means.items()}


def _run(seed: int) -> list[tuple[float, tuple[float, ...]]]:
    """Return the steps tried in one run, which none of them changes."""
    steps: list[tuple[float, tuple[float, ...]]] = []
    before: list[Transitions] = []

    def look(batch: Transitions) -> Transitions:
        if before and (trainer.num_updates - FIRST) % PERIOD == 0:
            δ = [_td_errors(trainer, each) for each in (batch, before[0])]
            for damping in DAMPINGS:
                network = copy.deepcopy(trainer.q_network)
                steps.append((damping, _try(network, damping, batch, before[0], *δ)))
        before[:] = [batch]
        return batch

    config = replace(CARTPOLE.adapted("task", double=False, **METHODS["preqn"]), seed=seed)
    trainer = Trainer(config, transform_batch=look)
    for _ in trainer.run():
        pass
    return steps


@torch.no_grad()
def _td_errors(trainer: Trainer, batch: Transitions) -> Tensor:
    assert isinstance(trainer.agent, DQN)
    targets = trainer.agent.targets(batch)
    return td_errors(trainer.q_network(batch.observations), batch.actions, targets)


def _try(
    network: nn.Module,
    damping: float,
    batch: Transitions,
    other: Transitions,
    own_errors: Tensor,
    other_errors: Tensor,
) -> tuple[float, ...]:
    """Return one row of what ``measure`` averages."""
    start, values = _weights(network), [_values(network, each) for each in (batch, other)]
    preqn = PreQN(network, learning_rate=1.0, damping=damping, align_with="reachable")
    step = preqn.step(batch.observations, batch.actions, own_errors)
    own, held_out = (
        _values(network, each) - old for each, old in zip((batch, other), values, strict=True)
    )
    share = float(own.norm() / own_errors.norm())
    moved = float((_weights(network) - start).norm() / start.norm())
    return (
        step.learning_rate,
        share,
        float(held_out.norm() / other_errors.norm()),
        moved / share if share else np.nan,
        cosine(own, own_errors),
        cosine(held_out, other_errors),
    )


@torch.no_grad()
def _values(network: nn.Module, batch: Transitions) -> Tensor:
    return chosen(network, batch.observations, batch.actions)


def _weights(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


COLUMNS = (
    Column("damping", "damping", "g"),
    Column("α", "rate", ".2f"),
    Column("|ΔQ|/|δ|", "own", ".2f"),
    Column("held out", "other", ".2f"),
    Column("|Δθ| for it", "parameters", ".3f"),
    Column("cos(ΔQ, δ)", "alignment", ".2f"),
    Column("held out", "held_out_alignment", ".2f"),
)


def show(num_seeds: int) -> None:
    """Measure and print."""
    title = f"means over updates of {num_seeds} CartPole runs; 1: all the way to the targets"
    rows = [{"damping": damping, **row} for damping, row in measure(num_seeds).items()]
    print_table(title, COLUMNS, rows)
