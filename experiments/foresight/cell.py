"""One cell of the corpus: everything that fixes a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qdiverge.agents.settings.dqn_config import Loss
from qdiverge.td import Bootstrap

Stratum = Literal["short", "default", "critic", "long", "online", "image", "replay"]


@dataclass(frozen=True)
class Cell:
    """A real training run; see ``draw`` for the ranges."""

    split: str  # dev or test: the two share no problem and no network
    stratum: Stratum
    problem: str
    seed: int
    algorithm: str  # dqn, ddpg, td3, sac
    width: int  # of each hidden layer; 0: the Nature network
    depth: int  # hidden layers
    activation: str
    layer_norm: bool
    optimizer: Literal["sgd", "rmsprop", "adam"]
    relative_step: float  # see steps.py
    loss: Loss  # huber or mse, both with α the learning rate
    batch_size: int
    discount: float
    bootstrap: Bootstrap  # q: no target network; of critics always target_q
    target_period: int | None  # updates between copies
    polyak: float | None  # τ, instead; of critics 1: no target network
    n_step: int
    prioritized: bool
    buffer_size: int  # transitions; of fixed data: all of them
    coverage: float  # share of fixed data that is kept, the transitions of the least ‖s‖; 1: all
    num_updates: int
    clipping: float | None = None  # largest norm of the gradient; a remedy alone

    @property
    def network(self) -> str:
        """Return the network's name: no test run has one of the other split."""
        if self.width == 0:
            return "nature"
        norm = "-norm" * self.layer_norm
        return f"{self.depth}x{self.width}-{self.activation}{norm}"

    @property
    def is_critic(self) -> bool:
        """Return whether an actor learns beside critics."""
        return self.algorithm != "dqn"

    @property
    def is_online(self) -> bool:
        """Return whether it takes an environment step for each update."""
        return self.stratum in ("online", "replay")
