"""One cell of the corpus: everything that fixes a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qdiverge.agents.settings.dqn import Loss
from qdiverge.td import Bootstrap


@dataclass(frozen=True)
class Cell:
    """A short real training run; see ``draw`` for the ranges."""

    split: str  # train or test: the two share no problem and no network
    problem: str
    seed: int
    width: int  # of each hidden layer; 0: the Nature network
    depth: int  # hidden layers
    activation: str
    layer_norm: bool
    optimizer: str  # sgd, rmsprop, adam
    relative_step: float  # see steps.py
    loss: Loss  # huber or mse, both with α the learning rate
    batch_size: int
    discount: float
    bootstrap: Bootstrap  # q: no target network; target_q; double_q, of critics a twin
    target_period: int | None  # updates between copies
    polyak: float | None  # τ, instead
    n_step: int
    prioritized: bool
    buffer_size: int  # transitions; of offline data: all of them
    offline: bool  # from a fixed data set of random play
    coverage: float  # share of it that is kept, the transitions of the least ‖s‖; 1: all
    num_updates: int
    update: Literal["gradient", "preqn"] = "gradient"  # preqn: a remedy alone

    @property
    def network(self) -> str:
        """Return the network's name: no test run has one of training."""
        if self.width == 0:
            return "nature"
        norm = "-norm" * self.layer_norm
        return f"{self.depth}x{self.width}-{self.activation}{norm}"
