"""What an optimiser makes of a gradient: momentum and decay, the linear part of its step."""

from dataclasses import dataclass, replace

from qdiverge.checks import check_between, check_nonnegative, check_positive, check_switch


@dataclass(frozen=True)
class Descent:
    """One step of an optimiser along g, the descent direction, already preconditioned.

        v ← μ v + κ (g − λ_c θ),   θ ← (1 − αλ_d) θ + α V,
        V = v, or with Nesterov's momentum g − λ_c θ + μ v

    as torch's SGD does it (κ = 1 − dampening), RMSprop (κ = 1) and Adam (μ = β₁, κ = 1 − β₁; its
    bias correction, which fades, is left out).

    Attributes:
        learning_rate: α of the loss ½ Σ ρ_i δ_i²; 0 while a warm-up has not begun.
        momentum: μ in [0, 1).
        gain: κ > 0.
        is_nesterov: Whether V looks ahead.
        decay: λ_d ≥ 0, decoupled from the gradient (AdamW).
        coupled_decay: λ_c ≥ 0, a part of the gradient (SGD's ``weight_decay``).

    Raises:
        InvalidValueError: a number is out of its range.

    >>> heavy_ball = Descent(0.1, momentum=0.5)
    >>> heavy_ball.direct, heavy_ball.carried  # V = v = 0.5 v + 1 g
    (1.0, 0.5)
    """

    learning_rate: float
    momentum: float = 0.0
    gain: float = 1.0
    is_nesterov: bool = False
    decay: float = 0.0
    coupled_decay: float = 0.0

    def __post_init__(self) -> None:
        check_positive("gain", self.gain)
        check_switch("is_nesterov", self.is_nesterov)
        check_between("momentum", self.momentum, 0, 1, "[)")
        for name in ("learning_rate", "decay", "coupled_decay"):
            check_nonnegative(name, getattr(self, name))

    @property
    def is_plain(self) -> bool:
        """Return whether it is plain gradient descent."""
        return not (self.momentum or self.has_decay) and self.direct == 1.0

    @property
    def has_decay(self) -> bool:
        """Return whether the weights decay."""
        return self.decay > 0 or self.coupled_decay > 0

    @property
    def direct(self) -> float:
        """Return how much of g − λ_c θ the very step takes: κ, or 1 + μκ with Nesterov."""
        return 1 + self.momentum * self.gain if self.is_nesterov else self.gain

    @property
    def carried(self) -> float:
        """Return how much of the old velocity the very step takes: μ, or μ² with Nesterov."""
        return self.momentum**2 if self.is_nesterov else self.momentum

    @property
    def lead(self) -> float:
        """Return c/α, with which θ + c v moves by a multiple of g alone, where nothing decays."""
        return self.carried / (1 - self.momentum)

    @property
    def total_gain(self) -> float:
        """Return h/α: how far θ + c v moves along g, the sum of all steps that one g leads to."""
        return self.direct + self.lead * self.gain

    def __str__(self) -> str:
        parts = []
        if self.momentum:
            kind = "Nesterov momentum" if self.is_nesterov else "momentum"
            share = f" of gain {self.gain:g}" if self.gain != 1 else ""
            parts.append(f"{kind} {self.momentum:g}{share}")
        if self.decay:
            parts.append(f"decoupled decay {self.decay:g}")
        if self.coupled_decay:
            parts.append(f"decay {self.coupled_decay:g}")
        return "".join(f", {part}" for part in parts)

    def with_rate(self, learning_rate: float) -> "Descent":
        """Return the same with another learning rate."""
        return replace(self, learning_rate=learning_rate)

    def plain(self) -> "Descent":
        """Return gradient descent with the same learning rate."""
        return Descent(self.learning_rate)
