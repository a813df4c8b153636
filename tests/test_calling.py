"""What somebody's own code raises is named with what it saw; what is meant for the loop is not."""

import copy

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.calling import critic_column, own_errors, q_table
from qdiverge.errors import CallError, InvalidTypeError, InvalidValueError


class TrialPruned(Exception):  # noqa: N818, as Optuna calls it
    """Ends a trial; no error."""


def test_an_error_is_named_with_shapes_and_dtypes_and_is_the_cause():
    seen = torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64)
    with (
        pytest.raises(CallError, match=r"float32 \[5, 3\], int64 \[5\]; got KeyE") as e,
        own_errors("q_net", *seen),
    ):
        raise KeyError("weights")
    assert isinstance(e.value.__cause__, KeyError)


@pytest.mark.parametrize("signal", [TrialPruned, KeyboardInterrupt, SystemExit, InvalidTypeError])
def test_what_is_meant_for_the_loop_passes(signal):
    with pytest.raises(signal, match="now") as raised, own_errors("q_net"):
        raise signal("now")
    assert raised.value.__cause__ is None


def test_the_end_of_an_iterator_is_an_error():
    with pytest.raises(CallError, match="StopIteration"), own_errors("data"):
        next(iter(()))


def rehearsal(**changed):
    torch.manual_seed(0)
    q_net = nn.Linear(3, 2)
    data = {"obs": torch.randn(8, 3), "actions": torch.zeros(8).long(), "rewards": torch.rand(8)}
    data |= {"next_obs": torch.randn(8, 3), "dones": torch.zeros(8)}
    given = {
        "data": data, "optimizer": torch.optim.SGD(q_net.parameters(), 0.1), "discount": 0.9,
        "target": copy.deepcopy(q_net), "target_period": 2, "num_updates": 4,
    }  # fmt: skip
    return qd.rehearse(q_net, **given | changed)


@pytest.mark.parametrize("what", ["data", "loss", "update"])
@pytest.mark.parametrize("kind", [TrialPruned, KeyboardInterrupt, ArithmeticError])
def test_functions_of_a_loop_that_runs_ahead(what, kind):
    def fail(*_):
        raise kind("of its own")

    expected = qd.QDivergeError if kind is ArithmeticError else kind
    with pytest.raises(expected, match="of its own"):
        rehearsal(**{what: fail})


def test_what_networks_return():
    assert q_table(torch.ones(2, 3), 2).shape == (2, 3)
    assert critic_column(torch.ones(2, 1), 2).shape == (2,)
    for values in (torch.ones(3, 2), torch.ones(2), torch.ones(2, 0), torch.ones(2, 3).long()):
        with pytest.raises(InvalidValueError, match=r"of shape \[2, A\]; got (float32|int64) \["):
            q_table(values, 2)
    for values in (torch.ones(3), torch.ones(2, 2), torch.ones(2, 1, 1), torch.ones(2).bool()):
        with pytest.raises(InvalidValueError, match=r"one value for each pair, \[2\] or \[2, 1\]"):
            critic_column(values, 2)
    with pytest.raises(InvalidTypeError, match="must be a tensor; got a tuple"):
        q_table((torch.ones(2, 3),), 2)
