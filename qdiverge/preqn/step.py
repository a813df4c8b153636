"""One PreQN update, in place, from the batch that any Q-learning loop has at hand.

    (K + λ I) Z = Δ,   θ' = θ + α Jᵀ Z,   α shrunk until cos(Q_θ' − Q_θ, K Z) ≥ η

Source: Achiam, Knight & Abbeel (2019), arXiv:1903.08894, section 5. Jᵀ Z is the gradient of
Σ_k Z_k Q(s_k, a_k) with Z held fixed: one backward pass, no Jacobian.

Differs from the paper, whose step is ``PreQN(q_net, damping=0, align_with="td_errors",
learning_rate=1)``, in:

1. The damping λ (Levenberg 1944). Without it K Z = Δ, and a kernel that is close to singular is
   inverted down to its last bits: the step then needs many times the movement of the parameters,
   leaves the range of the linearisation at once, and is shrunk or refused (experiments/preqn,
   "Why it is damped").
2. ΔQ is aligned with K Z, what the damped solve asks for, not with Δ.
3. The largest α is 0.1, not 1.
4. Where no α is aligned enough, nothing moves.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.checks import (
    check_between,
    check_choice,
    check_integer,
    check_nonnegative,
    check_rate,
    check_share,
)
from qdiverge.errors import InvalidValueError
from qdiverge.kernel import NTK
from qdiverge.kernel.network import first_parameter
from qdiverge.preqn.least_squares import solve
from qdiverge.td import values_of
from qdiverge.tensor_checks import as_tensor, check_finite, check_tensor

# A step of finite length may be a little better aligned than an infinitely small one.
TOLERANCE = 1e-3
ALIGN_WITH = ("td_errors", "reachable")


@dataclass(frozen=True)
class PreQNStep:
    """What one update did.

    Attributes:
        is_accepted: Whether the parameters moved; False: they are bit for bit what they were.
        alignment: cos(Q_θ' − Q_θ, Δ) of the last step tried, at least η where it was accepted;
            1 where Δ = 0 and there is nothing to do. With ``align_with="reachable"`` it is the
            cosine with K Z.
        learning_rate: α of the accepted step; 0 where none was.
        num_backtracks: How often α was shrunk.
        condition_number: Of the part of K that was inverted.
        rank: Eigenvalues of K that were inverted, of N.
        reachable_alignment: cos(K Z, Δ): what an infinitely small step attains. Below η where the
            batch holds contradictions, such as one pair with two rewards, or pairs that are too
            alike for the precision of K.
    """

    is_accepted: bool
    alignment: float
    learning_rate: float
    num_backtracks: int
    condition_number: float
    rank: int
    reachable_alignment: float


class PreQN(torch.optim.Optimizer):
    """The preconditioned Q-learning update, in the place of an optimiser.

    To whoever looks at it it is one: it has hooks, a ``state_dict``, and parameter groups with the
    learning rate. Only its ``step`` asks for the batch, and no gradient needs to be there before.

    Args:
        q_net: Returns Q-values [N, A]; or a critic called with observations and floating-point
            actions [N, k], returning [N] or [N, 1].
        learning_rate: The largest α that is tried; 1 goes all the way to K Z.
        alignment: η in [0, 1].
        align_with: "reachable", K Z: what the damped solve asks for, Δ itself for a regular K
            without damping. Or "td_errors", the paper's Δ: where no step can be aligned with
            that, none is taken, and damping lets few be.
        shrink: The factor on α at each backtrack, in (0, 1).
        max_backtracks: After as many, no step is taken.
        damping: λ as a share of K's largest eigenvalue, see :func:`solve`; the paper has 0.
        cutoff: Smaller eigenvalues of K + λ I are not inverted, likewise a share; None: N times
            the rounding unit.
        method: Of the kernel, see :class:`qdiverge.NTK`.

    Raises:
        InvalidValueError, InvalidTypeError: an argument is out of range.

    >>> q_net = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(q_net.weight)
    >>> preqn = PreQN(q_net, learning_rate=1.0, damping=0.5)
    >>> step = preqn.step(torch.tensor([[2.0]]), torch.tensor([0]), torch.tensor([6.0]))
    >>> q_net.weight.item(), step.alignment, step.num_backtracks  # K = 4, λ = 2, Z = 1; Q is now 4
    (2.0, 1.0, 0)
    """

    def __init__(
        self,
        q_net: nn.Module,
        *,
        learning_rate: float = 0.1,
        alignment: float = 0.97,
        align_with: str = "reachable",
        shrink: float = 0.5,
        max_backtracks: int = 20,
        damping: float = 3e-3,
        cutoff: float | None = None,
        method: str = "auto",
    ) -> None:
        self._ntk = NTK(q_net, method=method, trial_runs="once")
        learning_rate = check_rate("learning_rate", learning_rate)
        alignment = check_share("alignment, η,", alignment)
        check_choice("align_with", align_with, ALIGN_WITH)
        shrink = check_between("shrink", shrink, 0, 1, "()")
        max_backtracks = check_integer("max_backtracks", max_backtracks, 0)
        damping = check_nonnegative("damping", damping)
        if cutoff is not None:
            cutoff = check_between("cutoff", cutoff, 0, 1, "[)")
        first_parameter([q_net])
        super().__init__([p for p in q_net.parameters() if p.requires_grad], {"lr": learning_rate})
        self.q_net, self.alignment, self.align_with = q_net, alignment, align_with
        self.shrink, self.max_backtracks = shrink, max_backtracks
        self.damping, self.cutoff = damping, cutoff

    def __getstate__(self) -> dict[str, Any]:
        """Return all but who listens, so that a copy can step; torch's own is the groups alone."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_optimizer_")}

    @property
    def learning_rate(self) -> float:
        """Return the largest α that is tried; a scheduler may change it."""
        return float(self.param_groups[0]["lr"])

    def step(  # type: ignore[override]  # an optimiser that sees the batch
        self,
        observations: Tensor,
        actions: Tensor,
        td_errors: Tensor | None = None,
        *,
        targets: Tensor | None = None,
    ) -> PreQNStep:
        """Move the parameters so that Q(s, a) changes along the TD errors.

        Args:
            observations: s, [N, ...].
            actions: a, integers [N] or floats [N, k].
            td_errors: Δ = y − Q(s, a), [N]; y by whatever rule the loop has.
            targets: Instead of Δ: y, [N]; saves the loop a forward pass.

        Returns:
            What was done. Where no α of the line search reaches η, or the direction is not
            finite, nothing.

        Raises:
            InvalidValueError, InvalidTypeError: a tensor has a wrong shape or dtype, or is not
                finite; the parameters are left as they were.
        """
        observations = as_tensor("observations", observations)
        actions = as_tensor("actions", actions)
        K = self._ntk.kernel(observations, actions)  # checks the pairs, too
        given = _one_of(td_errors, targets, len(K))
        with torch.enable_grad():
            q_values = chosen(self.q_net, observations, actions)
        delta = given if targets is None else given - q_values.detach()
        if not bool(delta.any()):
            return PreQNStep(True, 1.0, 0.0, 0, math.nan, 0, 1.0)
        solved = solve(K, delta, damping=self.damping, cutoff=self.cutoff)
        reached = K.double() @ solved.solution
        reachable = cosine(reached, delta)
        wanted = reached if self.align_with == "reachable" else delta
        tried = False, reachable, 0.0, 0
        if cosine(reached, wanted) >= self.alignment - TOLERANCE:
            parameters = self.param_groups[0]["params"]
            direction = pulled_back(q_values, solved.solution, parameters)  # Jᵀ Z
            if all(bool(torch.isfinite(g).all()) for g in direction):
                pairs = observations, actions
                tried = self._search(pairs, q_values.detach(), wanted, parameters, direction)
        return PreQNStep(*tried, solved.condition_number, solved.rank, reachable)

    @torch.no_grad()
    def _search(
        self,
        pairs: tuple[Tensor, Tensor],
        q_values: Tensor,
        wanted: Tensor,
        parameters: list[nn.Parameter],
        direction: list[Tensor],
    ) -> tuple[bool, float, float, int]:
        """Shrink α until the step is aligned: accepted, alignment, α, backtracks."""
        before = [p.detach().clone() for p in parameters]
        rate, alignment = self.learning_rate, math.nan
        for num_backtracks in range(self.max_backtracks + 1):
            for parameter, start, g in zip(parameters, before, direction, strict=True):
                torch.add(start, g, alpha=rate, out=parameter.data)
            alignment = cosine(chosen(self.q_net, *pairs) - q_values, wanted)
            if alignment >= self.alignment:
                return True, alignment, rate, num_backtracks
            rate *= self.shrink
        for parameter, start in zip(parameters, before, strict=True):
            parameter.copy_(start)
        return False, alignment, 0.0, self.max_backtracks


def _one_of(td_errors: Tensor | None, targets: Tensor | None, size: int) -> Tensor:
    """Return the one that was given, checked."""
    if (td_errors is None) == (targets is None):
        raise InvalidValueError("give either td_errors or targets, one of the two")
    name, given = ("td_errors", td_errors) if targets is None else ("targets", targets)
    assert given is not None
    check_finite(name, given)
    if given.shape != (size,):
        raise InvalidValueError(
            f"{name} must have shape [{size}], one for each observation", got=list(given.shape)
        )
    return given.detach()


def pulled_back(q_values: Tensor, Z: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Return Jᵀ Z by one backward pass of Σ_k Z_k Q(s_k, a_k)."""
    total = (q_values * Z.to(q_values.dtype)).sum()
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    pairs = zip(gradients, parameters, strict=True)
    return [torch.zeros_like(p) if g is None else g for g, p in pairs]


def chosen(q_net: nn.Module, observations: Tensor, actions: Tensor) -> Tensor:
    """Return Q(s_i, a_i), [N], of a Q-network or of a critic."""
    if actions.is_floating_point():
        values: Tensor = q_net(observations, actions)
        return values.reshape(len(observations))
    table: Tensor = q_net(observations)
    return values_of(table, actions)


def cosine(x: Tensor, y: Tensor) -> float:
    """Return x·y / (|x| |y|) in double precision; NaN where one of them is zero or not finite.

    Raises:
        InvalidTypeError, InvalidValueError: they are no tensors [N] of one length.

    >>> cosine(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0]))
    1.0
    """
    if check_tensor("x", x).ndim != 1 or check_tensor("y", y).shape != x.shape:
        raise InvalidValueError(
            "x and y must both be [N]", got=f"{list(x.shape)} and {list(y.shape)}"
        )
    x, y = x.double(), y.double()
    size = x.norm() * y.norm()
    return float(x @ y / size) if bool(size > 0) and bool(torch.isfinite(size)) else math.nan
