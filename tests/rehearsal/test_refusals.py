"""What copies cannot be faithful to is refused or said; nothing of the user's hears of them."""

from functools import partial

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.rehearsal import rehearse
from tests.rehearsal.test_faithful import PROBE, of_critics, refused, replaced
from tests.rehearsal.test_rehearse import batches, mlp, update

optim = torch.optim
HOOKS = ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook")


@pytest.mark.parametrize("function", [rehearse, qd.preflight, qd.what_if])
@pytest.mark.parametrize("is_critic", [False, True])
def test_no_hook_hears_of_copies(function, is_critic):
    """The diagnosis of a preflight was of the run's own network, whose hooks counted it."""
    network, options = mlp(), {"data": batches(), "target": mlp(1), "target_period": 3}
    options["optimizer"] = optim.SGD(network.parameters(), lr=0.1)
    listened = [network, options["target"]]
    if is_critic:
        network, options = of_critics()
        listened = [*network, *options["target"], options["policy"], options["policy_target"]]
    calls = []
    for module in listened:
        for name in HOOKS:
            getattr(module, name)(lambda *_: calls.append(1))
    answer = function(network, **options | {"num_updates": 3})
    assert not calls
    if function is qd.preflight:
        assert answer.diagnosis is not None


def test_an_actors_optimiser_is_held_to_the_same():
    critics, options = of_critics()
    stepping = options["policy_optimizer"]
    optim.lr_scheduler.StepLR(stepping, 1)
    assert "A scheduler sets the policy's learning rate" in str(rehearse(critics, **options))
    refused_ = partial(pytest.raises, qd.InvalidTypeError)
    actor = options["policy"]
    with refused_(match="policy_optimizer's step must be that of SGD"):
        own = replaced(optim.SGD(actor.parameters(), lr=0.1))
        rehearse(critics, **options | {"policy_optimizer": own})
    with refused_(match="no more than the gradient; got LBFGS"):
        rehearse(critics, **options | {"policy_optimizer": optim.LBFGS(actor.parameters())})


def test_a_step_that_needs_a_closure_is_refused():
    q = mlp()
    refused(q, "got LBFGS, whose step takes closure", optimizer=optim.LBFGS(q.parameters()))


def test_a_loss_of_ones_own_must_average():
    q, weighted = mlp(), [vars(b) | {"weights": torch.rand(8)} for b in batches()]
    value = qd.InvalidValueError
    refused(q, "the average over a batch; got shape", value, loss=lambda x, y: (x - y) ** 2)
    refused(q, "such as a sum", value, weighted, loss=lambda x, y: ((x - y) ** 2).sum())
    told = []

    def own(x, y):
        told.append(1)
        return nn.functional.smooth_l1_loss(x, y)

    sgd = optim.SGD(q.parameters(), lr=0.1)
    of_own, ours = (rehearse(q, weighted, optimizer=sgd, loss=x) for x in (own, "huber"))
    assert of_own.q_abs_max == pytest.approx(ours.q_abs_max, rel=1e-5)
    assert not told


def test_another_discount_is_no_change_of_batches_that_say_theirs():
    """It was left out without a word: "γ = .1" did what "as it is" did."""
    q = mlp()
    data = [vars(b) | {"discounts": torch.full((8,), 0.9**3)} for b in batches()]
    options = {"optimizer": optim.SGD(q.parameters(), lr=0.1), "num_updates": 2}
    with pytest.raises(qd.InvalidValueError, match="γ\\^k row by row"):
        qd.what_if(q, data, changes={"γ = .1": {"discount": 0.1}}, **options)
    assert len(qd.what_if(q, data, changes={"slow": {"learning_rate": 0.01}}, **options)) == 2


def test_a_network_in_evaluation_mode_is_said():
    q = nn.Sequential(mlp(), nn.Dropout(0.5)).eval()
    sgd = optim.SGD(q.parameters(), lr=0.1)
    assert "in evaluation mode" in str(rehearse(q, batches(), optimizer=sgd, num_updates=2))
    assert "in evaluation mode" not in str(
        rehearse(q.train(), batches(), optimizer=sgd, num_updates=2)
    )


class DrawsInCalls(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.0), NoisyLinear(8, 3))

    def forward(self, s):
        if self.training:
            self.net[2].reset_noise()
        return self.net(s)


def test_a_network_that_draws_its_noise_in_each_call_is_the_run():
    """Copies drew it once more before each update, and were another run."""
    q, pool, sizes = DrawsInCalls(), batches(20), []
    adam = optim.Adam(q.parameters(), lr=1e-2)

    def draw():
        return pool[int(torch.randint(len(pool), ()))]

    torch.manual_seed(3)
    ahead = rehearse(
        q, draw, optimizer=adam, discount=0.9, loss="half_squared", reward_bound=1e3, probe=PROBE,
        num_updates=8, num_orders=1, seed=None,
    )  # fmt: skip
    assert "Copies draw the noise" in str(ahead)
    for _ in range(8):
        update(q, adam, draw())
        sizes.append(largest_value([q], PROBE.observations, None, is_quiet=True))
    assert ahead.q_abs_max[0].tolist() == sizes


def test_float16_without_a_scaler_is_said_since_small_gradients_vanish():
    q, data = mlp(), batches()
    with torch.no_grad():
        for p in q.parameters():
            p.mul_(1e-3)
    for b in data:
        b.rewards.mul_(1e-7)
    sgd, casting = optim.SGD(q.parameters(), lr=0.1), partial(torch.autocast, "cpu", torch.float16)
    options = {"optimizer": sgd, "discount": 0.9, "probe": PROBE, "num_updates": 8}
    with casting():
        ahead = rehearse(q, data, **options, num_orders=1, reward_bound=1e3)
    sizes, scaler = [], torch.amp.GradScaler("cpu")
    for b in data[:8]:
        with casting():
            with torch.no_grad():
                y = b.rewards + 0.9 * (1 - b.terminated) * q(b.next_observations).amax(1)
            chosen = q(b.observations).gather(1, b.actions[:, None]).squeeze(1)
            loss = nn.functional.smooth_l1_loss(chosen, y)
        sgd.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(sgd)
        scaler.update()
        sizes.append(largest_value([q], PROBE.observations, None, is_quiet=True))
    assert ahead.q_abs_max[0].tolist() != sizes
    assert "in float16 small gradients vanish" in str(ahead)
    assert "float16" not in str(rehearse(q, data, **options))


def test_priorities_that_stay_are_said():
    q, batch = mlp(), vars(batches()[0]) | {"weights": torch.rand(8)}
    options = {"optimizer": optim.SGD(q.parameters(), lr=0.1), "num_updates": 2}
    said = "priorities of now, which copies do not move"
    assert said in str(rehearse(q, lambda: batch, **options))
    assert said not in str(rehearse(q, [batch], **options))
