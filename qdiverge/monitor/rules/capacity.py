"""Alarm rules on what the network can still tell apart: dead units, collapsed features, support."""

import numpy as np

from qdiverge.monitor.rules.past import Past, streak
from qdiverge.monitor.rules.thresholds import THRESHOLDS, Thresholds


def dead_units(past: Past, thresholds: Thresholds = THRESHOLDS) -> str | None:
    """Fire when nine hidden units of ten answer to no state of the probe, three times in a row.

    Sokar et al. 2023 (arXiv:2302.12902) on what such a network loses.

    >>> from qdiverge.monitor.rules.past import Track
    >>> track = Track(np.array([10, 20, 30, 40]), np.array([0.5, 0.92, 0.93, 0.95]))
    >>> print(dead_units(Past({"diverge/dead_units": track})))
    95 % of the hidden units answer to no state of the probe batch, 90 % or more since update 20.
    Certain of these states, not of others. What is dead gets no gradient: lower the step, and start
    again from before or reset these units.
    """
    limits, share = thresholds.capacity, past["dead_units"]
    num_dead = streak(share.values >= limits.dead_share)
    if num_dead < limits.num_in_a_row:
        return None
    return (
        f"{100 * share.values[-1]:.0f} % of the hidden units answer to no state of the probe "
        f"batch, {100 * limits.dead_share:.0f} % or more since update "
        f"{int(share.updates[-num_dead])}. Certain of these states, not of others. What is dead "
        "gets no gradient: lower the step, and start again from before or reset these units."
    )


def rank_collapse(past: Past, thresholds: Thresholds = THRESHOLDS) -> str | None:
    """Fire when srank of the features is at most 2, a quarter of what it was, three times in a row.

    Kumar et al. 2020 (arXiv:2010.14498): the implicit under-parameterisation of bootstrapping.

    >>> from qdiverge.monitor.rules.past import Track
    >>> track = Track(np.array([10, 20, 30, 40]), np.array([30.0, 2.0, 1.0, 1.0]))
    >>> print(rank_collapse(Past({"diverge/srank": track})))
    The features of the output layer have collapsed from 30 directions to 1 since update 20: states
    look alike to it. Certain of the probe batch. Lower the step; values that grow at the same time
    are the usual cause.
    """
    limits, srank = thresholds.capacity, past["srank"]
    largest = np.fmax.reduce(srank.values, initial=0.0)
    is_low = srank.values <= limits.collapsed_rank
    num_low = streak(is_low & (limits.rank_fall * srank.values <= largest))
    if num_low < limits.num_in_a_row:
        return None
    return (
        f"The features of the output layer have collapsed from {largest:.0f} directions to "
        f"{srank.values[-1]:.0f} since update {int(srank.updates[-num_low])}: states look "
        "alike to it. Certain of the probe batch. Lower the step; values that grow at the same "
        "time are the usual cause."
    )


def end_atoms(past: Past, thresholds: Thresholds = THRESHOLDS) -> str | None:
    """Fire when an end of a distribution's support holds half of it, three times in a row.

    Q of a categorical network lies inside its support whatever happens (Bellemare et al. 2017,
    arXiv:1707.06887): returns beyond it, and values that would have diverged, gather at the end
    atom. Mass that was there from the first measurement on, and has not grown, is a support that
    was chosen too narrow; it is said likewise.

    >>> from qdiverge.monitor.rules.past import Track
    >>> t = np.array([10, 20, 30, 40])
    >>> low, high = Track(t, np.full(4, 0.01)), Track(t, np.array([0.1, 0.6, 0.7, 0.8]))
    >>> print(end_atoms(Past({"diverge/low_atom_mass": low, "diverge/high_atom_mass": high})))
    The largest return of the support holds 80 % of the probability, 50 % or more since update 20
    (10 % at update 10): returns lie beyond it, or values grow against it. Certain of the probe
    batch. Widen the support (v_max), or look for what makes the values grow.
    """
    limits = thresholds.capacity
    for name, which, end in (("high", "largest", "v_max"), ("low", "least", "v_min")):
        mass = past[f"{name}_atom_mass"]
        is_full = mass.values >= limits.end_atom_mass
        if len(mass) < limits.num_in_a_row or not is_full[-limits.num_in_a_row :].all():
            continue
        start = _start(is_full)
        before = f"{100 * mass.values[0]:.0f} % at update {int(mass.updates[0])}"
        return (
            f"The {which} return of the support holds {100 * mass.values[-1]:.0f} % of the "
            f"probability, {100 * limits.end_atom_mass:.0f} % or more since update "
            f"{int(mass.updates[start])} ({before}): returns lie beyond it, or values grow against "
            f"it. Certain of the probe batch. Widen the support ({end}), or look for what makes "
            "the values grow."
        )
    return None


def _start(is_so: np.ndarray) -> int:
    """Return where the last run of true entries begins."""
    others = np.flatnonzero(~is_so)
    return int(others[-1]) + 1 if len(others) else 0
