"""Equality to the bit of whatever a framework calls its state."""

import random

import numpy as np
import torch

LAST = {  # a metric that only this tier has
    "light": "td_error_abs_mean", "standard": "fraction_holding", "full": "spectral_radius"
}  # fmt: skip


def random_states():
    """Every global random state."""
    return [random.getstate(), np.random.get_state(), torch.get_rng_state()]  # noqa: NPY002


def begin_at_zero(module):
    """Let the values begin at 0, within every bound, even of rewards that are told too small."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim and len(parameter) < 4:  # of an output layer
                parameter.zero_()


def assert_copies_ran_ahead(monitor, num_updates=None):
    """From a replay, before the first update, to an end that was known beforehand."""
    foresight = monitor.foresight
    assert foresight.why_not in ("", "it has called divergence")
    assert foresight.num_forecasts >= 1
    assert foresight.options.data is not None
    assert foresight.options.num_updates == (num_updates or monitor.num_updates)


def assert_same(got, expected, where=""):
    if isinstance(expected, torch.Tensor):
        assert torch.equal(got, expected), where
    elif isinstance(expected, np.ndarray):
        assert np.array_equal(got, expected), where
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for key in expected:
            assert_same(got[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, list | tuple):
        assert len(got) == len(expected), where
        for index, pair in enumerate(zip(got, expected, strict=True)):
            assert_same(*pair, f"{where}/{index}")
    else:
        assert got == expected, where
