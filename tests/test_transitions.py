"""Batches of other libraries are read by the names that those libraries use."""

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from qdiverge.batch_reading import TRUNCATED, field_of
from qdiverge.diagnostics import Transitions, as_transitions
from qdiverge.errors import InvalidTypeError, InvalidValueError

S = torch.arange(6.0).reshape(3, 2)


def as_named_tuple(fields):
    return namedtuple("Row", fields)(**fields)


FIELDS = (S, torch.tensor([0, 1, 0]), torch.ones(3), S + 1, torch.zeros(3))


def test_stable_baselines3_columns_are_flattened():
    s, a, r, s2, d = FIELDS
    batch = as_transitions(
        SimpleNamespace(
            observations=s, actions=a[:, None], rewards=r[:, None], next_observations=s2,
            dones=d[:, None],
        )
    )  # fmt: skip
    for got, expected in zip(vars(batch).values(), FIELDS, strict=True):
        assert torch.equal(got, expected)


def test_tianshou_names_and_numpy_arrays_are_read():
    s, a, r, s2, d = (field.numpy() for field in FIELDS)
    batch = as_transitions(SimpleNamespace(obs=s, act=a, rew=r, obs_next=s2, terminated=d))
    assert torch.equal(batch.next_observations, FIELDS[3])


def test_torchrls_nested_next_and_one_hot_actions_are_read():
    s, a, r, s2, d = FIELDS
    following = {"observation": s2, "reward": r[:, None], "terminated": d[:, None].bool()}
    one_hot = torch.nn.functional.one_hot(a, 2)
    batch = as_transitions({"observation": s, "action": one_hot, "next": following})
    assert torch.equal(batch.actions, a)
    assert torch.equal(batch.next_observations, s2)
    assert torch.equal(batch.rewards, r)


def test_continuous_actions_keep_their_column():
    s, _, r, s2, d = FIELDS
    names = ("observations", "actions", "rewards", "next_observations", "terminated")
    batch = as_transitions(dict(zip(names, (s, torch.ones(3, 1), r, s2, d), strict=True)))
    assert batch.actions.shape == (3, 1)


LIBRARIES = {
    "RLlib": ("obs", "actions", "rewards", "new_obs", "terminateds", "truncateds"),
    "skrl": ("observations", "actions", "rewards", "next_observations", "terminated", "truncated"),
    "d3rlpy": ("observations", "actions", "rewards", "next_observations", "terminals", None),
    "AgileRL": ("obs", "action", "reward", "next_obs", "done", None),
    "D4RL": ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts"),
    "Gymnasium": ("obs", "action", "reward", "next_obs", "terminations", "truncations"),
    "PyTorch's tutorial": ("state", "action", "reward", "next_state", "done", "timeout"),
    "one row": ("observation", "action", "reward", "next_observation", "termination", "truncation"),
    "older": ("state", "action", "reward", "new_state", "terminal", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", [dict, lambda fields: SimpleNamespace(**fields), as_named_tuple])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_librarys_names_are_read(library, kind):
    names = LIBRARIES[library]
    truncated = torch.tensor([True, False, True])
    fields = dict(zip(names, (*FIELDS, truncated), strict=True))
    fields.pop(None, None)
    batch = kind(fields)
    for got, expected in zip(vars(as_transitions(batch)).values(), FIELDS, strict=True):
        assert torch.equal(got, expected)
    cut = field_of(batch, *TRUNCATED)
    assert cut is None if names[-1] is None else torch.equal(cut, truncated)


def test_termination_is_preferred_to_done():
    s, a, r, s2, d = FIELDS
    fields = {"obs": s, "act": a, "rew": r, "obs_next": s2, "done": d + 1, "terminated": d}
    assert as_transitions(fields).terminated.sum() == 0


def test_the_very_object_passes_through():
    batch = Transitions(*FIELDS)
    assert as_transitions(batch) is batch


def test_select_join_and_clone():
    batch = Transitions(*FIELDS)
    joined = batch.select(slice(0, 1)).join(batch.select(slice(1, 3)))
    assert torch.equal(joined.observations, S)
    copy = batch.clone()
    copy.observations.zero_()
    assert batch.observations.sum() == 15


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (1, torch.tensor([0, 1]), "actions must have 3 rows"),
        (2, torch.ones(3, 2), "rewards must have shape"),
        (3, torch.ones(3, 5), "next_observations must have the shape"),
    ],
)
def test_wrong_shapes_are_named(place, value, message):
    fields = list(FIELDS)
    fields[place] = value
    with pytest.raises(InvalidValueError, match=message):
        Transitions(*fields)


def test_an_empty_batch_is_refused():
    with pytest.raises(InvalidValueError, match="empty"):
        Transitions(*(field[:0] for field in FIELDS))


def test_what_is_no_batch_is_refused():
    with pytest.raises(InvalidTypeError, match="observations"):
        as_transitions({"pixels": S})
    with pytest.raises(InvalidTypeError, match="actions must be a tensor"):
        Transitions(S, [0, 1, 0], *FIELDS[2:])
