"""Sound loops of all sorts have no finding; what cannot be told is said to be unknown."""

import pytest
import torch

import qdiverge as qd
from qdiverge.update.auditing.half_precision import BFLOAT16, FLOAT16, half_unit
from tests.update.odd_loops import (
    DISCOUNT,
    SOUND,
    UNDECIDED,
    in_parts,
    near,
    objective,
    target_moved_before_the_step,
    trained,
)


def look(q_net, target, batch, options):
    return qd.audit(q_net, batch, DISCOUNT, target=target, **options)


@pytest.mark.parametrize("loop", SOUND, ids=lambda loop: loop.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_a_sound_loop_has_no_finding(loop, seed):
    torch.manual_seed(seed)
    seen = look(*loop())
    assert (seen.findings, seen.bootstrap) == ((), "target_q")


@pytest.mark.parametrize("loop", UNDECIDED, ids=lambda loop: loop.__name__)
def test_what_cannot_be_told_has_no_finding_and_no_name(loop):
    torch.manual_seed(0)
    seen = look(*loop())
    assert (seen.findings, seen.bootstrap, seen.loss) == ((), "unknown", "unknown")


@pytest.mark.parametrize("tau", [1e-3, 0.03, 0.1])
def test_a_target_that_moves_before_the_step_is_told_from_one_that_is_bound_anew(tau):
    torch.manual_seed(1)
    assert look(*target_moved_before_the_step(tau)).findings == ()
    net, target, batch, options = trained()
    net.zero_grad()
    objective(net, near(target), batch).backward()
    (told,) = look(net, target, batch, options).findings
    assert told.code == "bootstrap_differs"
    assert "terminal rows are right" in told.message


@pytest.mark.parametrize(("num", "norm"), [(1, None), (1, 1e-2), (4, None)])
def test_half_precision_is_seen_through_sums_and_clipping(num, norm):
    for dtype, units in ((torch.bfloat16, {BFLOAT16}), (torch.float16, {FLOAT16, BFLOAT16})):
        torch.manual_seed(2)
        net, *_ = in_parts(num, dtype, norm)
        assert half_unit(torch.cat([p.grad.flatten() for p in net.parameters()])) in units
    net, *_ = in_parts(num, None, norm)
    assert half_unit(torch.cat([p.grad.flatten() for p in net.parameters()])) is None
