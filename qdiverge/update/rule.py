"""What one update of a run does, as a plain record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal, get_args

from qdiverge.checks import (
    check_choice,
    check_discount,
    check_finite_number,
    check_integer,
    check_nonnegative,
    check_positive,
    check_step_share,
    check_switch,
)
from qdiverge.errors import InvalidValueError
from qdiverge.td import BOOTSTRAPS, Bootstrap
from qdiverge.theory.descent import Descent
from qdiverge.thing_checks import check_instance, check_text

Source = Literal["given", "optimizer", "seen", "assumed"]
RuleLoss = Literal["half_squared", "squared", "huber"]
Critics = Literal["one", "min", "mean"]
LOSSES: tuple[RuleLoss, ...] = ("half_squared", "squared", "huber")
LOSS_SLOPES: Mapping[str, float] = {"half_squared": 1.0, "squared": 2.0, "huber": 1.0}


@dataclass(frozen=True)
class UpdateRule:
    """One update: the loss on a batch, what it bootstraps from, and the step that is taken.

    Attributes:
        discount: γ; of a target of several steps γⁿ, unless the batch says it row by row.
        loss: "half_squared" ½δ², "squared" δ² (torch's ``mse_loss``), "huber" (``smooth_l1_loss``);
            its mean over the batch.
        loss_factor: c, what the loss is multiplied by: N where it is summed, ¼, a coefficient.
        bootstrap: Who selects and who evaluates a', see :mod:`qdiverge.td`.
        target_period: Updates between two hard copies of the target network; None: none is copied.
        polyak: τ of an averaged target; None: none is averaged.
        averaging_period: Updates between two averagings; TD3's policy delay.
        critics: "one"; of several, the target's "min" or "mean".
        critic_subset: m, where the least is of m critics drawn at random (REDQ); None: of all.
        entropy_coefficient: α_H of a soft critic.
        optimizer: The kind, such as "Adam".
        learning_rate: Of the optimiser; α of ½ Σ ρ_i δ_i² is this times the loss's slope and c.
        momentum: μ; β₁ of Adam.
        gain: κ, the share of the gradient that enters the velocity; 1 − β₁ of Adam.
        is_nesterov: Whether the step looks ahead.
        decay: Decoupled weight decay.
        coupled_decay: Weight decay within the gradient.
        is_preconditioned: Whether second moments scale the step.
        has_weights: Whether samples are weighted, as in prioritised replay.
        clipping: Largest norm of the gradient; None: not clipped.
        not_modelled: What no linear map is known of, in a sentence; "": all of it is modelled.
        sources: Field → where it is known from: "given", read from the "optimizer", "seen" in the
            run, or "assumed", as for every field that is left out.

    Raises:
        InvalidValueError: a field is out of its range, or two contradict each other.

    >>> rule = UpdateRule(loss="squared", learning_rate=0.1, momentum=0.9)
    >>> rule.descent.learning_rate, rule.descent.momentum
    (0.2, 0.9)
    >>> print(rule)
    δ² by SGD, learning rate 0.1, momentum 0.9; γ = 0.99, no target network.
    """

    discount: float = 0.99
    loss: RuleLoss = "half_squared"
    loss_factor: float = 1.0
    bootstrap: Bootstrap = "q"
    target_period: int | None = None
    polyak: float | None = None
    averaging_period: int = 1
    critics: Critics = "one"
    critic_subset: int | None = None
    entropy_coefficient: float = 0.0
    optimizer: str = "SGD"
    learning_rate: float = 1e-4
    momentum: float = 0.0
    gain: float = 1.0
    is_nesterov: bool = False
    decay: float = 0.0
    coupled_decay: float = 0.0
    is_preconditioned: bool = False
    has_weights: bool = False
    clipping: float | None = None
    not_modelled: str = ""
    sources: Mapping[str, Source] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        check_discount(self.discount)
        check_choice("loss", self.loss, LOSSES)
        check_choice("critics", self.critics, get_args(Critics))
        check_text("optimizer", self.optimizer)
        check_text("not_modelled", self.not_modelled)
        for name in ("is_nesterov", "is_preconditioned", "has_weights"):
            check_switch(name, getattr(self, name))
        check_finite_number("entropy_coefficient", self.entropy_coefficient)
        for name in ("learning_rate", "decay", "coupled_decay"):
            check_nonnegative(name, getattr(self, name))
        check_instance("sources", self.sources, Mapping)
        check_choice("bootstrap", self.bootstrap, BOOTSTRAPS)
        if self.target_period is not None:
            check_integer("target_period", self.target_period, 1)
        if self.polyak is not None:
            check_step_share("polyak", self.polyak)
        if self.polyak is not None and self.target_period is not None:
            raise InvalidValueError(
                "a target must be copied or averaged, not both",
                got=f"target_period {self.target_period} and polyak {self.polyak:g}",
                remedy="Leave one of the two out.",
            )
        check_positive("loss_factor", self.loss_factor)
        check_integer("averaging_period", self.averaging_period, 1)
        if self.critic_subset is not None:
            check_integer("critic_subset", self.critic_subset, 1)
        if self.clipping is not None:
            check_positive("clipping", self.clipping)
        _ = self.descent  # checks its numbers
        usual: dict[str, Source] = {f.name: "assumed" for f in fields(self) if f.name != "sources"}
        object.__setattr__(self, "sources", MappingProxyType(usual | dict(self.sources)))

    @property
    def slope(self) -> float:
        """Return α over the learning rate: what the loss's gradient is of ½δ²'s at small δ."""
        return LOSS_SLOPES[self.loss] * self.loss_factor

    @property
    def descent(self) -> Descent:
        """Return the linear part of the optimiser's step, α that of ½ Σ ρ_i δ_i².

        Decay is no part of the loss: it goes by the learning rate, not by α.
        """
        return Descent(
            self.slope * self.learning_rate,
            self.momentum,
            self.gain,
            self.is_nesterov,
            self.decay / self.slope,
            self.coupled_decay / self.slope,
        )

    @property
    def lags(self) -> bool:
        """Return whether the target network is another than the one that learns."""
        is_averaged = self.polyak is not None and (self.polyak, self.averaging_period) != (1.0, 1)
        return self.target_period not in (None, 1) or is_averaged

    @property
    def period(self) -> int:
        """Return the updates between two moves of the target network that lags; 1 without one."""
        if not self.is_evaluated_by_target:
            return 1
        return self.averaging_period if self.polyak is not None else self.target_period or 1

    @property
    def share(self) -> float | None:
        """Return τ of the target network that lags; None: it is copied, or there is none."""
        return self.polyak if self.is_evaluated_by_target else None

    @property
    def is_evaluated_by_target(self) -> bool:
        """Return whether a lagging network evaluates a'."""
        return self.lags and self.bootstrap in ("target_q", "double_q")

    @property
    def is_double(self) -> bool:
        """Return whether another network selects a' than evaluates it."""
        return self.lags and self.bootstrap in ("double_q", "inverse_double_q")

    @property
    def assumed(self) -> tuple[str, ...]:
        """Return the fields that nobody said and nothing showed."""
        return tuple(name for name, source in self.sources.items() if source == "assumed")

    def __str__(self) -> str:
        loss = {"half_squared": "½δ²", "squared": "δ²", "huber": "Huber's loss"}[self.loss]
        if self.loss_factor != 1:
            loss = f"{self.loss_factor:g} × {loss}"
        step = f"{loss} by {self.optimizer}, learning rate {self.learning_rate:g}{self.descent}"
        target = "no target network"
        if self.polyak is not None:
            often = f" every {self.averaging_period} updates" if self.averaging_period > 1 else ""
            target = f"target averaged with τ = {self.polyak:g}{often}"
        elif self.target_period is not None:
            target = f"target copied every {self.target_period} updates"
        parts = [f"γ = {self.discount:g}", target]
        if self.lags and self.bootstrap != "target_q":
            parts.append(f"bootstrap {self.bootstrap}")
        if self.critics != "one":
            few = "" if self.critic_subset is None else f"{self.critic_subset} random ones of "
            parts.append(f"{self.critics} of {few}the critics")
        if self.entropy_coefficient:
            parts.append(f"entropy coefficient {self.entropy_coefficient:g}")
        if self.has_weights:
            parts.append("importance weights")
        if self.clipping is not None:
            parts.append(f"gradient clipped at {self.clipping:g}")
        text = f"{step}; {', '.join(parts)}."
        return f"{text} Not modelled: {self.not_modelled}." if self.not_modelled else text
