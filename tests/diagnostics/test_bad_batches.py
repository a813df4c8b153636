"""A batch in another form works as it would in its own, or an error names what is wrong with it."""

from collections import namedtuple

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.errors import InvalidTypeError, InvalidValueError

N = 8
Row = namedtuple("Row", "state action next_state reward")


def good():
    torch.manual_seed(0)
    return {
        "obs": torch.randn(N, 4), "actions": torch.randint(3, (N,)), "rewards": torch.rand(N),
        "next_obs": torch.randn(N, 4), "dones": torch.zeros(N),
    }  # fmt: skip


def verdict(batch, network=None):
    torch.manual_seed(0)
    found = qd.diagnose(network or nn.Linear(4, 3), batch)
    return found.stability.verdict, found.q_values


OTHER_FORMS = {
    "observations of float64": lambda b: {k: b[k].double() for k in ("obs", "next_obs")},
    "actions of float32": lambda b: {"actions": b["actions"].float()},
    "a column of float32": lambda b: {"actions": b["actions"].float()[:, None]},
    "one-hot rows": lambda b: {"actions": nn.functional.one_hot(b["actions"], 3)},
    "flags": lambda b: {"dones": b["dones"].bool()},
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_another_form_of_the_same_says_the_same(form):
    batch = good()
    assert verdict(batch | OTHER_FORMS[form](batch)) == verdict(batch)


def rows(batch):
    each = [
        Row(batch["obs"][i : i + 1], batch["actions"][i : i + 1],
            None if i == 3 else batch["next_obs"][i : i + 1], batch["rewards"][i : i + 1])
        for i in range(N)
    ]  # fmt: skip
    return Row(*zip(*each, strict=True))


WRONG = {
    "dict observations": (lambda b: b | {"obs": {"x": b["obs"]}}, "observations.*a dict of x"),
    "tuples of rows": (rows, "observations must be one tensor.*a tuple"),
    "two branches": (
        lambda b: b | {"actions": torch.randint(3, (N, 2))}, r"integer actions.*\[8, 2\]"
    ),
    "branches of one and none": (
        lambda b: b | {"actions": torch.ones(N, 2).long()}, "one-hot rows"
    ),
    "NaN rewards": (lambda b: b | {"rewards": b["rewards"] * torch.nan}, "rewards.*nan in row 0"),
    "terminated = 2": (lambda b: b | {"dones": torch.full((N,), 2.0)}, "terminated.*2 in row 0"),
    "an action too many": (
        lambda b: b | {"actions": torch.full((N,), 3)}, r"actions must lie in 0 … 2; got 3 … 3"
    ),
    "a negative action": (lambda b: b | {"actions": torch.full((N,), -1)}, "got -1 … -1"),
    "halves of actions": (lambda b: b | {"actions": torch.full((N,), 0.5)}, "no whole numbers"),
    "a critic's actions": (
        lambda b: b | {"actions": torch.rand(N, 2)}, r"takes observations alone.*\[8, 2\]"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_read_is_named(kind):
    change, message = WRONG[kind]
    with pytest.raises((InvalidTypeError, InvalidValueError), match=message):
        verdict(change(good()))


@pytest.mark.parametrize(
    ("last", "message"),
    [(nn.Softmax(dim=1), "sums to 1"), (nn.LogSoftmax(dim=1), "exponentials of each row sum to 1")],
)
def test_the_outputs_of_a_policy_are_no_q_values(last, message):
    with pytest.raises(InvalidValueError, match=f"must return Q-values.*{message}"):
        verdict(good(), nn.Sequential(nn.Linear(4, 3), last))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_a_scripted_module_is_named():
    batch = good()
    with pytest.raises(InvalidTypeError, match="scripted"):
        qd.NTK(torch.jit.script(nn.Linear(4, 3))).kernel(batch["obs"], batch["actions"])
