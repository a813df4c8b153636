"""Alarm rules on what the network can still tell apart: dead units, collapsed features."""

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
