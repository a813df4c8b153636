"""From the numbers of a diagnosis to sentences: what is wrong, what to change, to what value."""

import math
from collections.abc import Iterator

from qdiverge.diagnostics.diagnosis import Diagnosis
from qdiverge.theory.linearisation import LARGEST_ERROR


def advice(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return sentences, the most pressing first: plain words, then the number and its formula."""
    if diagnosis.rule.not_modelled:  # what a linear map says is of another algorithm
        why = f"No linear theory advises on this update: {diagnosis.rule.not_modelled}."
        sentences = [*_values(diagnosis), why]
    elif diagnosis.clipped_share == 1:  # of a map in which nothing moves
        sentences = [*_limits(diagnosis), *_values(diagnosis)]
    else:
        sentences = [*_limits(diagnosis), *_values(diagnosis), *_step(diagnosis)]
        sentences += [*_target(diagnosis), *_causes(diagnosis)]
    return tuple(sentences) or ("Nothing to change on this batch.",)


def _limits(diagnosis: Diagnosis) -> Iterator[str]:
    """Say when the verdict does not apply."""
    error = diagnosis.linearisation_error
    if not error <= LARGEST_ERROR:
        yield (
            "The verdict does not apply to steps of this size: the optimiser's own next step lands "
            "elsewhere than the linear theory says. Lower the learning rate first, then diagnose "
            f"again (it misses by {error:.3g} of the step, ‖ΔQ − JΔθ‖/‖JΔθ‖; at most "
            f"{LARGEST_ERROR} is good enough)."
        )
    if diagnosis.clipped_share > 0:
        yield (
            "Huber's loss holds back part of the errors: what is unstable then grows by a bounded "
            f"amount per update, not exponentially ({diagnosis.clipped_share:.0%} of the TD errors "
            "are beyond ±1)."
        )


def _values(diagnosis: Diagnosis) -> Iterator[str]:
    """Speak of the values themselves: beyond the bound, or on the way to it."""
    size, bound = diagnosis.q_values["diverge/q_abs_max"], diagnosis.bound
    if diagnosis.is_beyond:
        yield (
            "The values are beyond what any policy can earn: go back to a checkpoint from before "
            f"(max|Q| = {size:.3g}, r_max/(1−γ) = {bound:.3g})."
        )
    elif math.isfinite(diagnosis.forecast):
        yield (
            "At the present rate the values pass what any policy can earn in about "
            f"{diagnosis.forecast:.3g} updates (max|Q| = {size:.3g} now, {bound:.3g} then; "
            "ln(bound/max|Q|)/ln ρ)."
        )


def _step(diagnosis: Diagnosis) -> Iterator[str]:
    """Compare the step with the largest stable one, both as the optimiser's learning rate."""
    stability, slope = diagnosis.stability, diagnosis.rule.slope
    if stability.verdict == "certified" or stability.spectral_radius < 1:
        return
    is_sure = stability.verdict == "divergent"  # and not of the present greedy actions alone
    largest = stability.max_learning_rate if is_sure else math.inf
    α = diagnosis.learning_rate
    unit = "" if slope == 1 else f"; α is {slope:g} × the learning rate for this loss"
    if 0 < largest < α and (stability.polyak is not None or stability.target_period > 1):
        yield (
            f"The learning rate is too large: just below {largest / slope:.3g} it is stable, at "
            f"{α / slope:.3g} it is not. With a target network a much smaller one may be unstable "
            "again: diagnose the one you take (the spectral radius of this update reaches 1 "
            f"there{unit})."
        )
    elif 0 < largest < α:
        yield (
            f"The learning rate is {α / largest:.3g}× the largest stable one: set it below "
            f"{largest / slope:.3g}, from {α / slope:.3g} (where the spectral radius of this "
            f"update reaches 1{unit})."
        )
    elif largest == 0 and stability.self_excitation > 0:
        yield (
            "No learning rate is small enough: the pairs push each other's errors up faster than "
            f"their own down (max Re λ(AD) = {stability.self_excitation:.3g} > 0)."
        )
    regression = stability.regression.max_learning_rate
    if α >= regression:
        yield (
            "The learning rate is too large even for regression on fixed targets: set it below "
            f"{regression / slope:.3g} first (2/λ_max(KD) for plain descent{unit})."
        )


def _target(diagnosis: Diagnosis) -> Iterator[str]:
    """Pass on what a target network would do, where the present update is not stable."""
    stability = diagnosis.stability
    if stability.spectral_radius >= 1 or stability.verdict == "divergent":
        yield stability.target_network.advice


def _causes(diagnosis: Diagnosis) -> Iterator[str]:
    """Name the layer and the pair that push the growing mode."""
    attribution = diagnosis.attribution
    is_growing = attribution.eigenvalue.real > 0 and not attribution.is_neutral
    if diagnosis.stability.spectral_radius <= 1 or not is_growing:
        return
    layer, share = max(attribution.layers.items(), key=lambda item: item[1])
    i, j, push = attribution.top_pairs(1)[0]
    N = len(diagnosis.td_errors)
    of, by = (_pair(index, N, len(attribution.pairs)) for index in (i, j))
    yield (
        f"Layer {layer} carries most of the growth, and {by} pushes hardest, on {of} "
        f"({share:+.3g} of Re λ(AD) = {attribution.eigenvalue.real:.3g} by wᴴA^(ℓ)Dv/wᴴv, and "
        f"{push:+.3g} by that push; condition of λ {attribution.condition:.3g})."
    )


def _pair(index: int, num_pairs: int, num_rows: int) -> str:
    """Return what a row of the system is: a pair, of a critic where there are several.

    >>> _pair(5, 4, 8), _pair(2, 4, 4)
    ('pair 1 of critic 1', 'pair 2')
    """
    critic, pair = divmod(index, num_pairs)
    return f"pair {pair} of critic {critic}" if num_rows > num_pairs else f"pair {pair}"
