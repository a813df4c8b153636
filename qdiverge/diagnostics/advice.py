"""From the numbers of a diagnosis to sentences: what is wrong, what to change, to what value."""

import math
from collections.abc import Iterator

from qdiverge.diagnostics.diagnosis import Diagnosis
from qdiverge.theory.linearisation import LARGEST_ERROR


def advice(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return sentences, the most pressing first; each names its number and its formula."""
    sentences = [*_limits(diagnosis), *_values(diagnosis), *_step(diagnosis), *_target(diagnosis)]
    sentences += _causes(diagnosis)
    return tuple(sentences) or ("Nothing to change on this batch.",)


def _limits(diagnosis: Diagnosis) -> Iterator[str]:
    """Say when the verdict does not apply."""
    error = diagnosis.linearisation_error
    if not error <= LARGEST_ERROR:
        yield (
            "The verdict does not apply to steps of this size: the optimiser's own next step "
            f"misses its linear prediction by {error:.3g} of it (‖ΔQ − JΔθ‖/‖JΔθ‖), above "
            f"{LARGEST_ERROR}. Lower the step first, then diagnose again."
        )
    if diagnosis.clipped_share > 0:
        yield (
            f"{diagnosis.clipped_share:.0%} of the TD errors are beyond ±1, where the Huber loss "
            "clips: an unstable mode then grows by a bounded amount per update, not exponentially."
        )


def _values(diagnosis: Diagnosis) -> Iterator[str]:
    """Speak of the values themselves: beyond the bound, or on the way to it."""
    size, bound = diagnosis.q_values["diverge/q_abs_max"], diagnosis.bound
    if size > bound:
        yield (
            f"max|Q| = {size:.3g} is beyond r_max/(1−γ) = {bound:.3g}, the most that any policy "
            "can earn: go back to a checkpoint from before."
        )
    elif math.isfinite(diagnosis.forecast):
        yield (
            f"At the present rate max|Q| = {size:.3g} passes {bound:.3g} in about "
            f"ln(bound/max|Q|)/ln ρ = {diagnosis.forecast:.3g} updates."
        )


def _step(diagnosis: Diagnosis) -> Iterator[str]:
    """Compare the step with the largest stable one."""
    stability, α = diagnosis.stability, diagnosis.learning_rate
    largest = stability.max_learning_rate
    if stability.verdict == "certified" or stability.spectral_radius < 1:
        return
    if 0 < largest < α:
        yield (
            f"The step α = {α:.3g} is {α / largest:.3g}× the largest stable one, {largest:.3g} "
            "(the least of 2 Re μ/|μ|² over the eigenvalues μ of −AD, or by search with a target "
            "network): lower it below that."
        )
    regression = stability.regression.max_learning_rate
    if α >= regression:
        yield (
            f"Even regression on fixed targets needs a step below 2/λ_max(KD) = {regression:.3g}."
        )


def _target(diagnosis: Diagnosis) -> Iterator[str]:
    """Pass on what a target network would do, where the present update is not stable."""
    stability = diagnosis.stability
    if stability.spectral_radius >= 1 or stability.verdict == "divergent":
        yield stability.target_network.advice


def _causes(diagnosis: Diagnosis) -> Iterator[str]:
    """Name the layer and the pair that push the growing mode."""
    attribution = diagnosis.attribution
    if diagnosis.stability.spectral_radius <= 1 or attribution.eigenvalue.real <= 0:
        return
    layer, share = max(attribution.layers.items(), key=lambda item: item[1])
    i, j, push = attribution.top_pairs(1)[0]
    yield (
        f"The growing mode, Re λ(AD) = {attribution.eigenvalue.real:.3g}, comes most of all from "
        f"layer {layer} ({share:+.3g}, wᴴA^(ℓ)Dv/wᴴv) and from the push of pair {j} on the TD "
        f"error of pair {i} ({push:+.3g}); the condition of λ is {attribution.condition:.3g}."
    )
