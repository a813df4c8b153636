"""Certified, divergent or undecided: the decision, and why."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdiverge.theory.linear_system import LinearSystem
from qdiverge.theory.minibatch import MinibatchReport
from qdiverge.theory.self_consistency import GrowingMode, follow, keeps_likewise
from qdiverge.theory.spectral import Modes, is_contracting
from qdiverge.theory.td_error import TDErrorCertificate


@dataclass(frozen=True, eq=False)
class Decision:
    """A verdict, why, and for "divergent" the greedy actions that the growth keeps."""

    verdict: str
    reason: str
    divergent_actions: Tensor | None = None  # [N]


def decide(
    system: LinearSystem, greedy: Tensor, found: Modes, certificate: TDErrorCertificate
) -> Decision:
    """Return the verdict and its reason.

    Certified: a weighted sup norm shrinks under every switching; or, where no action matters,
    the powers of the one matrix go to zero. Divergent: a mode grows, beyond what rounding could
    do, and keeps the greedy actions under which it grows (perhaps after switching some).

    Args:
        system: the frozen-kernel system.
        greedy: present greedy actions ``[N]``.
        found: the modes there.
        certificate: of the system.
    """
    if math.isinf(found.radius):
        return Decision(
            "divergent", "the step is unstable already on the fixed targets of one period", greedy
        )
    if certificate.holds:
        return Decision(
            "certified",
            f"a weighted sup norm of the TD errors shrinks to {certificate.modulus:.6g} of itself, "
            "whatever the greedy actions do",
        )
    if len(found.eigenvalues) == 0:
        return Decision("undecided", "no parameter moves any of these pairs")
    if is_growing(found):
        return _growing(system, greedy, found)
    if found.radius > 1 + found.resolution:
        return Decision("undecided", "the dominant eigenvalue is too ill-conditioned to be trusted")
    if found.is_neutral.any() or found.radius >= 1 - found.resolution:
        return Decision(
            "undecided",
            "rounding hides the slowest modes; fewer in float64: kernels of network.double(), "
            "diagnose with dtype=torch.float64, or --float64",
        )
    if not system.is_switching and found.is_complete and is_contracting(found.increment):
        why = f"the successors' actions do not matter and ρ = {found.radius:.6g} < 1"
        return Decision("certified", why)
    norm = (
        "no weighted sup norm is known"
        if math.isinf(certificate.modulus)
        else f"no weighted sup norm covers their switching (best modulus {certificate.modulus:.6g})"
    )
    return Decision(
        "undecided", f"stable at the present greedy actions (ρ = {found.radius:.6g}), but {norm}"
    )


def of_minibatches(
    decision: Decision,
    found: MinibatchReport | None,
    batch_size: int,
    is_switching: bool,
    mean: float = 1.0,
    mean_square: float = math.inf,
) -> Decision:
    """Return the decision on updates by a few random pairs: certified in mean square, or not.

    Noise may undo a growth of the mean: what is multiplied by 2.1 or 0.1, at even odds, grows on
    average and goes to 0. Were ln‖δ‖ normal, with E‖δ‖ = λᵗ and E‖δ‖² = σᵗ, it would grow by
    2 ln λ − ½ ln σ per update: divergent is where that is positive, σ < λ⁴.

    Args:
        decision: on the mean update.
        found: mean-square stability at the present actions; None: not known.
        batch_size: b.
        is_switching: whether the greedy actions matter.
        mean: λ, the growth of the mean per update, at the divergent actions.
        mean_square: σ, that of the mean square; ∞: not known.
    """
    if decision.verdict == "divergent" and not mean_square < mean**4:
        noise = (
            "what the noise of the draws does is known of plain gradient descent without a target "
            "network alone"
            if math.isinf(mean_square)
            else f"the noise of the draws, {mean_square:.4g} per update in mean square, may undo it"
        )
        return replace(
            decision,
            verdict="undecided",
            reason=f"{decision.reason}: so the mean update; but at batch size {batch_size} {noise}",
            divergent_actions=None,
        )
    if decision.verdict != "certified":
        return decision
    if found is None:
        doubt = "is known of plain gradient descent without a target network alone"
    elif not found.is_stable:
        doubt = f"needs a step below {found.critical_learning_rate:.3g}"
    elif is_switching:
        doubt = "is known at the present greedy actions alone"
    else:
        return decision
    return replace(
        decision,
        verdict="undecided",
        reason=f"{decision.reason}: so the mean update; but mean-square stability at batch size "
        f"{batch_size} {doubt}",
    )


def is_growing(found: Modes) -> bool:
    """Return whether the dominant mode grows by more than rounding could make it."""
    if len(found.eigenvalues) == 0:
        return False
    excess = abs(1 + complex(found.eigenvalues[found.dominant])) - 1
    return excess > found.resolution * float(found.conditions[found.dominant])


def _growing(system: LinearSystem, greedy: Tensor, found: Modes) -> Decision:
    """Decide where the present greedy actions have a growing mode."""
    size = abs(1 + complex(found.eigenvalues[found.dominant]))

    def mode_at(actions: Tensor) -> GrowingMode | None:
        reach = system.reach(actions)
        there = found if torch.equal(actions, greedy) else system.modes(reach)
        if not is_growing(there) or math.isinf(there.radius):
            return None
        λ = 1 + complex(there.eigenvalues[there.dominant])
        within = tuple(system.growth_within(there, reach))
        return GrowingMode(λ, system.growth(there, reach), within)

    reached = follow(mode_at, greedy)
    if reached is None:
        return Decision(
            "undecided",
            f"a mode grows by |λ| = {size:.6g} at the present greedy actions, but it changes them "
            "and no growing mode was found that keeps its own",
        )
    mode, actions = reached
    if not all(keeps_likewise(mode, within, actions) for within in mode.within):
        return Decision(
            "undecided",
            f"a mode grows by |λ| = {size:.6g} per period, but within it the network that learns "
            "selects other actions than those under which it grows",
        )
    switched = int((actions != greedy).sum())
    if switched == 0:
        why = f"a mode grows by |λ| = {size:.6g} and keeps its greedy actions"
    else:
        why = (
            f"a mode grows by |λ| = {size:.6g}, switches {switched} greedy actions, and goes on "
            f"to grow by {abs(mode.eigenvalue):.6g} with actions that it keeps"
        )
    return Decision("divergent", why, actions)
