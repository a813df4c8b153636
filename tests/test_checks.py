"""The shared checks: what passes is returned, what does not is named."""

import math

import numpy as np
import pytest
import torch

from qdiverge.checks import (
    check_between,
    check_discount,
    check_integer,
    check_number,
    check_positive,
    check_rate,
)
from qdiverge.errors import InvalidTypeError, InvalidValueError, QDivergeError
from qdiverge.tensor_checks import check_distribution, check_finite
from qdiverge.thing_checks import check_list, check_path, check_seed, check_text


@pytest.mark.parametrize("discount", [-0.1, 1.1, math.nan])
def test_a_discount_outside_its_range(discount):
    with pytest.raises(InvalidValueError, match="discount"):
        check_discount(discount)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_what_is_not_positive(value):
    with pytest.raises(InvalidValueError, match="alpha"):
        check_positive("alpha", value)


@pytest.mark.parametrize("ends", ["[]", "[)", "(]", "()"])
def test_an_interval_has_the_ends_that_its_brackets_say(ends):
    for value, is_inside in ((0, ends[0] == "["), (0.5, True), (1, ends[1] == "]"), (2, False)):
        if is_inside:
            assert check_between("share", value, 0, 1, ends) == value
            continue
        with pytest.raises(InvalidValueError, match=r"share must lie in .0, 1.; got"):
            check_between("share", value, 0, 1, ends)
    with pytest.raises(InvalidValueError, match="nan"):
        check_between("share", math.nan, 0, 1, ends)


@pytest.mark.parametrize("value", [np.int64(3), torch.tensor(3), 3])
def test_a_whole_number_of_any_library(value):
    assert type(check_integer("size", value, 1)) is int
    assert type(check_number("size", value)) is float


@pytest.mark.parametrize("value", [0, True, 2.0, "3", None, 10**400, np.array([1, 2])])
def test_what_is_no_whole_number_within_its_range(value):
    with pytest.raises(InvalidValueError, match="size must be an integer of at"):
        check_integer("size", value, 1)


def test_a_rate_that_no_parameter_can_be_moved_by():
    with pytest.raises(InvalidValueError, match="float32"):
        check_rate("learning_rate", 1e39)


def test_text_is_no_list_and_each_entry_is_checked():
    assert check_list("names", ("a", "b"), check_text) == ["a", "b"]
    for value, message in (("ab", "names must be a list"), (["a", 3], "every one of names")):
        with pytest.raises(InvalidTypeError, match=message):
            check_list("names", value, check_text)


def test_paths_and_seeds():
    for check, bad in ((check_path, 3), (check_text, b"a")):
        with pytest.raises(InvalidTypeError, match="it must be"):
            check("it", bad)
    for seed in (None, 0, [1, 2], np.random.default_rng(0)):
        assert check_seed(seed) == seed
    for bad_seed in (-1, 0.5, "a", True):
        with pytest.raises(InvalidTypeError, match="seed must be an integer of at least 0"):
            check_seed(bad_seed)


def test_the_first_entry_that_is_not_finite_is_named():
    tensor = torch.ones(2, 3)
    tensor[1, 2] = math.nan
    with pytest.raises(InvalidValueError, match=r"nan at \[1, 2\], 1 such"):
        check_finite("K", tensor)
    with pytest.raises(InvalidTypeError, match="int64"):
        check_finite("K", torch.ones(2, dtype=torch.int64))


def test_a_distribution_may_have_zeros_but_must_sum_to_one():
    rho = torch.tensor([0.0, 0.25, 0.75])
    assert check_distribution("rho", rho, 3) is rho
    for bad, message in [
        (torch.tensor([0.5, 0.6, 0.0]), r"sum 1\.1"),
        (torch.tensor([-0.5, 1.5, 0.0]), r"least entry -0\.5"),
        (torch.tensor([0.5, 0.5]), r"shape \[3\]"),
    ]:
        with pytest.raises(InvalidValueError, match=message):
            check_distribution("rho", bad, 3)


def test_every_error_is_one_of_ours_and_a_builtin():
    assert issubclass(InvalidValueError, QDivergeError)
    assert issubclass(InvalidValueError, ValueError)
    assert issubclass(InvalidTypeError, TypeError)
