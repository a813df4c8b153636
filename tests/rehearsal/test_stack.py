"""Stacked copies do what copies do one by one, but for rounding."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.rehearsal.batches import as_batches
from qdiverge.rehearsal.changes import changed
from qdiverge.rehearsal.learner import Original
from qdiverge.rehearsal.run_ahead import run_ahead, run_stacked
from qdiverge.rehearsal.stack import can_stack
from qdiverge.update.td_update import rows_of
from tests.rehearsal.test_rehearse import OPTIMIZERS, batches, mlp

CPU = torch.device("cpu")
CHANGES = [
    {},
    {"learning_rate": 0.25},
    {"clipping": 0.05},
    {"target_period": 3, "bootstrap": "target_q"},
    {"target_period": 3, "bootstrap": "double_q"},
    {"polyak": 0.2, "bootstrap": "inverse_double_q"},
    {"discount": 0.3},
]


def stage(kind, *, has_target=False, loss="huber"):
    q = mlp().double()
    optimizer = OPTIMIZERS[kind](q.parameters())
    q(torch.randn(5, 4, dtype=torch.float64)).square().sum().backward()
    optimizer.step()  # its state has come to be
    rule = qd.UpdateRule(discount=0.9, loss=loss, learning_rate=1.0)
    targets = (mlp(3).double(),) if has_target else ()
    if has_target:
        rule = qd.UpdateRule(
            discount=0.9, loss=loss, learning_rate=1.0, target_period=4, bootstrap="target_q"
        )
    return Original((q,), targets, optimizer, rule, since_copy=2)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("has_target", [False, True])
@pytest.mark.parametrize("speed", [1.0, 3.0])
def test_each_of_the_stack_is_the_copy_alone(kind, has_target, speed):
    original = stage(kind, has_target=has_target)
    data = as_batches(batches(6), None, CPU, torch.float64)
    originals = [
        Original(**vars(changed(original, change)) | {"speed": speed}) for change in CHANGES
    ]
    seeds = [k % 3 for k in range(len(originals))]
    before = copy.deepcopy(original.networks[0].state_dict())
    together = run_stacked(originals, data, limit=1e9, num_updates=12, seeds=seeds)
    for each, seed, found in zip(originals, seeds, together, strict=True):
        alone = run_ahead(each, data, limit=1e9, num_updates=12, seed=seed)
        assert found.sizes == pytest.approx(alone.sizes, rel=1e-9)
        assert found.error_before == pytest.approx(alone.error_before, rel=1e-9)
        assert found.error_after == pytest.approx(alone.error_after, rel=1e-9)
    after = original.networks[0].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_one_that_blows_up_leaves_the_others_alone():
    original = stage("SGD", loss="squared")
    data = as_batches(batches(6), None, CPU, torch.float64)
    wild = changed(original, {"learning_rate": 1e4})
    calm, gone, same = run_stacked(
        [original, wild, original], data, limit=50.0, num_updates=30, seeds=[0, 0, 0]
    )
    assert gone.passed is not None
    assert math.isnan(gone.error_after)
    assert len(gone.sizes) == gone.passed
    assert calm.passed is None
    assert calm.sizes == same.sizes
    assert calm.sizes == pytest.approx(
        run_ahead(original, data, limit=50.0, num_updates=30, seed=0).sizes, rel=1e-9
    )


def test_a_target_inside_a_wrapper_is_the_target():
    original = stage("Adam", has_target=True)
    data = as_batches(batches(6), None, CPU, torch.float64)
    wrapped = replace(original, targets=(nn.Sequential(original.targets[0]),))
    options = {"limit": 1e9, "num_updates": 6, "seeds": [0]}
    (bare,) = run_stacked([replace(original, since_copy=0)], data, **options)
    (found,) = run_stacked([replace(wrapped, since_copy=0)], data, **options)
    assert found.sizes == bare.sizes


def test_weights_of_rows_enter_the_stack():
    original = stage("Adam")
    weighted = [
        {**{n: getattr(b, n) for n in b.__dataclass_fields__},
         "weights": torch.rand(8, generator=torch.Generator().manual_seed(i))}
        for i, b in enumerate(batches(3))
    ]  # fmt: skip
    data = as_batches(weighted, None, CPU, torch.float64)
    (found,) = run_stacked([original], data, limit=1e9, num_updates=6, seeds=[0])
    alone = run_ahead(original, data, limit=1e9, num_updates=6, seed=0)
    assert found.sizes == pytest.approx(alone.sizes, rel=1e-9)
    plain = as_batches(batches(3), None, CPU, torch.float64)
    assert found.sizes != run_ahead(original, plain, limit=1e9, num_updates=6, seed=0).sizes


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)),
        nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3)),
    ],
)
def test_what_draws_or_keeps_statistics_goes_one_by_one(network):
    rows = rows_of(batches(1)[0])
    adam = torch.optim.Adam(network.parameters())
    assert not can_stack(Original((network,), (), adam, qd.UpdateRule()), rows)
    q = mlp()
    lbfgs = torch.optim.LBFGS(q.parameters())
    assert not can_stack(Original((q,), (), lbfgs, qd.UpdateRule()), rows)
