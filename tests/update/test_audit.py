"""``qd.audit`` on loops whose truth is known: those of the study in ``experiments/audit``."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

import qdiverge as qd
from experiments.audit import real
from experiments.audit.bugs import BUGS, codes_of
from experiments.audit.loops import DISCOUNT, LOSSES, OPTIMISERS, Loop
from experiments.audit.networks import ARCHITECTURES, CRITICS
from qdiverge.td import BOOTSTRAPS


def look(loop, **options):
    return qd.audit(loop.q_net, loop.shown, **(loop.options() | options))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sound_loops_are_read_exactly_and_have_no_finding(architecture):
    rules = ("target_q", "q") if architecture in CRITICS else BOOTSTRAPS
    for seed, loss in enumerate(LOSSES):
        rule, optimiser = rules[seed % len(rules)], list(OPTIMISERS)[seed % 3]
        loop = Loop(architecture, loss, rule, optimiser, seed=seed).train().backward()
        seen = look(loop, bootstrap=rule)
        assert (seen.findings, seen.bootstrap, seen.terminal_factor) == ((), rule, 0.0)
        assert (seen.discount, seen.reward_factor) == (DISCOUNT, 1.0)
        assert seen.loss == loss.split(",")[0]
        assert seen.gradient_scale == pytest.approx(32 if "summed" in loss else 1, rel=1e-5)
        assert seen.residual < 1e-5
        assert seen.explained == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_named(bug):
    for seed, architecture in enumerate(("mlp", "dueling")):
        loop = Loop(architecture, list(LOSSES)[seed], num_rows=32, seed=70 + seed)
        assert set(codes_of(loop, BUGS[bug])) & set(BUGS[bug].codes), architecture


def test_the_sample_gradients_are_those_of_autograd():
    loop = Loop("mlp", "huber").train()
    q = loop.q_net(loop.shown["observations"])
    chosen = q.gather(1, loop.shown["actions"][:, None]).squeeze(1)
    with torch.no_grad():
        best = loop.target(loop.shown["next_observations"]).amax(1)
        y = loop.shown["rewards"] + DISCOUNT * (1 - loop.shown["terminated"]) * best
    loss = nn.functional.smooth_l1_loss(chosen, y)
    (truth,) = torch.autograd.grad(loss, chosen, retain_graph=True)
    loss.backward()
    assert torch.allclose(look(loop).sample_gradients, truth, rtol=1e-4, atol=1e-7)


def test_numbers_are_read_off_what_was_changed():
    loop = Loop("tanh", "half_squared", discount=0.9)
    loop.used["rewards"] = 0.25 * loop.shown["rewards"]
    seen = look(loop.train().backward())
    assert (seen.discount, seen.reward_factor) == pytest.approx((0.9, 0.25), rel=1e-4)
    assert {f.code for f in seen.findings} == {"discount_differs", "rewards_differ"}
    loop = Loop("mlp", "squared", masks=False)
    seen = look(loop.train().backward())
    assert seen.terminal_factor == pytest.approx(1, abs=1e-4)
    assert "100% of their bootstrap: is (1 − done) missing?" in str(seen)


def test_scaled_and_clipped_gradients_are_told_apart_from_the_loss():
    loop = Loop("mlp", "huber").train().backward()
    for p in loop.q_net.parameters():
        p.grad.mul_(65536.0)  # as AMP's GradScaler does
    assert look(loop).gradient_scale == pytest.approx(65536, rel=1e-5)
    assert look(loop).findings == ()
    nn.utils.clip_grad_norm_(loop.q_net.parameters(), 1e-2)
    (told,) = look(loop).findings
    assert told.code == "clipped"
    assert "to a norm of 0.01" in told.message
    assert look(loop, max_grad_norm=1e-2).findings == ()


def test_gradients_of_half_precision_make_no_finding():
    for seed in range(4):
        loop = Loop("mlp", "huber", seed=seed).train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loop.objective(loop.shown)
        loss.backward()
        assert look(loop).findings == ()


def test_weights_and_discounts_of_the_batch_are_counted():
    loop = Loop("mlp", "huber").train()
    loop.shown["weights"] = torch.rand(32) + 0.1
    assert look(loop.backward()).findings == ()
    loop = Loop("mlp", "huber").train()
    loop.shown["discounts"] = DISCOUNT ** torch.randint(1, 4, (32,)).float()
    setattr(loop, "discount", loop.shown["discounts"])  # noqa: B010
    assert look(loop.backward()).findings == ()


def test_nothing_moves_by_a_bit():
    for architecture in ("layer norm", "twin critics"):
        loop = Loop(architecture, masks=False).train().backward()
        loop.q_net.register_buffer("counter", torch.zeros(1))
        parts = (loop.q_net, loop.target, loop.actor)

        def everything(loop=loop, parts=parts):
            grads = [None if p.grad is None else p.grad.clone() for p in loop.q_net.parameters()]
            return (
                [{k: v.clone() for k, v in m.state_dict().items()} for m in parts],
                grads, [[x.training for x in m.modules()] for m in parts],
                copy.deepcopy(loop.optimizer.state_dict()["state"]),
                torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(),  # noqa: NPY002
                [len(m._forward_hooks) for m in loop.q_net.modules()], torch.is_grad_enabled(),
            )  # fmt: skip

        before = everything()
        assert look(loop).findings
        torch.testing.assert_close(everything()[:5], before[:5], rtol=0, atol=0)
        assert everything()[5:] == before[5:]


def test_networks_in_training_mode_that_mix_or_draw_are_unknown():
    for part in (nn.BatchNorm1d(16), nn.Dropout(0.5)):
        loop = Loop("mlp")
        loop.q_net = nn.Sequential(nn.Linear(6, 16), part, nn.ReLU(), nn.Linear(16, 3))
        seen = qd.audit(
            loop.q_net, loop.shown, DISCOUNT, target=loop.backward().target, loss="squared"
        )
        assert seen.findings == ()
        assert loop.q_net.training


def test_successors_of_terminal_rows_may_be_nan():
    loop = Loop("mlp").train().backward()
    loop.shown["next_observations"] = loop.shown["next_observations"].clone()
    loop.shown["next_observations"][loop.shown["terminated"] > 0] = torch.nan
    assert look(loop).findings == ()


def test_wrong_input_says_what_is_wrong():
    loop = Loop("mlp").train()
    with pytest.raises(qd.InvalidValueError, match=r"after loss.backward\(\)"):
        look(loop)
    loop.backward()
    with pytest.raises(qd.InvalidValueError, match="discount"):
        look(loop, discount=2.0)
    with pytest.raises(qd.InvalidValueError, match="loss must be one of"):
        look(loop, loss="l1")
    with pytest.raises(qd.InvalidTypeError, match=r"a torch\.nn\.Module, or several; got an int"):
        qd.audit(3, loop.shown)
    with pytest.raises(qd.InvalidTypeError, match="rewards was expected"):
        qd.audit(loop.q_net, {k: v for k, v in loop.shown.items() if k != "rewards"})
    with pytest.raises(qd.InvalidValueError, match="0 … 2"):
        qd.audit(loop.q_net, loop.shown | {"actions": loop.shown["actions"] + 3})
    next(loop.q_net.parameters()).grad[0] = torch.nan
    with pytest.raises(qd.InvalidValueError, match="finite gradient"):
        look(loop)
    critic = Loop("critic").train().backward()
    with pytest.raises(qd.InvalidValueError, match="policy="):
        look(critic, policy=None)


@pytest.mark.parametrize(("architecture", "loss"), [("mlp", "huber"), ("tanh", "squared")])
@pytest.mark.parametrize("num_steps", [2, 3, 5])
def test_undeclared_returns_of_several_steps_are_named_though_some_are_shorter(
    architecture, loss, num_steps
):
    for seed in range(3):
        loop = Loop(architecture, loss, seed=seed).train()
        powers = torch.full((32,), float(num_steps))
        powers[[3, 11, 20]] = torch.tensor([1.0, num_steps - 1, 1])
        setattr(loop, "discount", DISCOUNT**powers)  # noqa: B010
        (found,) = look(loop.backward()).findings
        assert found.code == "discount_differs"
        assert found.evidence["shown"] == pytest.approx(DISCOUNT**num_steps, rel=1e-9)
        assert f"{num_steps}-step returns" in found.message


def test_of_two_numbers_that_may_differ_the_one_that_fits_far_better_is_named(monkeypatch):
    """Of values near 0 and equal rewards γ³ is nearly rewards times 1.006, scaled by 0.995."""
    monkeypatch.setattr(real, "NUM_STEPS", 110)
    auditor, _ = real.cleanrl("cleanrl style", "undeclared 3-step", 1)
    assert [f.code for f in auditor.findings] == ["discount_differs"]
    assert "3-step returns" in auditor.findings[0].message
