"""What the run loop asks of whatever learns, and of whatever acts; neither knows the loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.preqn import PreQNStep
from qdiverge.transitions import Transitions


@dataclass(frozen=True)
class Update:
    """What one update saw, all of it from before its step.

    Args:
        loss: mean ℓ(δ), or the mean cross-entropy of a distribution; weighted where samples are; of
            several critics their sum.
        td_abs_mean: mean |δ|.
        td_abs_max: max |δ|.
        q_mean: mean of Q(s_i, a_i).
        q_max: max over the batch and all discrete actions of Q(s_i, a).
        is_finite: False where a loss is NaN or infinite; then no step was taken on it.
        td_errors: δ, [N]; of the expected values where a distribution is learnt; of the first of
            several critics.
        surprises: [N], what prioritised replay goes by: δ, or KL(m ‖ p) of a distribution.
        preqn: What PreQN did, where it takes the steps.
        numbers: What else there is to log, by name.
    """

    loss: float
    td_abs_mean: float
    td_abs_max: float
    q_mean: float
    q_max: float
    is_finite: bool
    td_errors: Tensor = field(repr=False, compare=False)
    surprises: Tensor = field(repr=False, compare=False)
    preqn: PreQNStep | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


class Agent(Protocol):
    """Learns from batches.

    Attributes:
        device: Where the networks are.
    """

    device: torch.device

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser of the Q-network, or of the critics."""

    @property
    def q_network(self) -> nn.Module:
        """Return the network that learns, or the first critic."""

    @property
    def target_network(self) -> nn.Module | None:
        """Return its delayed copy, where there is one."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Return all that has weights, by its role."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Return all of them."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Return every parameter that an optimiser may move, by its name."""

    def act(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return the actions that it is evaluated by: integers [E], or floats [E, k]."""

    def update(self, batch: Transitions, number: int = 1) -> Update:
        """Make update number ``number``, from 1; none where the loss of ``batch`` is not finite."""

    def values_of(self, batch: Transitions) -> Tensor:
        """Return Q(s_i, a_i), [N], drawing nothing."""

    def after_step(self, step: int) -> None:
        """Do what is due once ``step`` agent steps have been learnt from: copy into the target."""

    def playing_weights(self) -> dict[str, Tensor]:
        """Return what an evaluation needs to play as the agent would."""

    def load_playing_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of another agent of this make; copied, and all noise stilled."""

    def best(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the value of each state under the policy evaluated, [N], and its action."""


class Behaviour(Protocol):
    """Acts while the agent learns.

    Attributes:
        is_ahead: Whether it acts before the updates that the last turn made due; see ``run_loop``.
    """

    is_ahead: bool

    def actions(self, observations: NDArray[Any], step: int) -> NDArray[Any]:
        """Return what E environments are to do: integers [E], or floats [E, k]."""

    def epsilon(self, step: int) -> float | None:
        """Return ε after ``step`` agent steps; None where there is none."""

    def temperature(self, step: int) -> float | None:
        """Return τ of Boltzmann exploration, likewise."""
