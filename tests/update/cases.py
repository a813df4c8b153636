"""Random linear problems under random rules, and the growth that the whole Jacobian gives."""

import math
import random

import torch
from torch import nn

from qdiverge.transitions import SarsaTransitions, Transitions
from qdiverge.update import update_exponent
from tests.update.frozen import freeze_second_moments
from tests.update.reference import F, Linear, Rule, true_growth


class Critic(nn.Module):
    """Q(s, a) = w·(s, a)."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 1, bias=False)

    def forward(self, observations, actions):
        return self.linear(torch.cat([observations, actions], 1))


def random_rule(draw):
    kind = draw.choice(["sgd", "sgd", "sgd", "adam", "adamw", "rmsprop"])
    momentum = 0.0 if kind == "rmsprop" else draw.choice([0.0, 0.5, 0.9])
    is_nesterov = kind == "sgd" and momentum > 0 and draw.random() < 0.4
    target = draw.choice(["none", "polyak", "period"])
    return Rule(
        kind=kind,
        lr=10 ** (draw.uniform(-2.5, -0.5) if kind == "sgd" else draw.uniform(-3, -1)),
        momentum=momentum,
        dampening=draw.choice([0.0, 0.5]) if kind == "sgd" and momentum and not is_nesterov else 0,
        nesterov=is_nesterov,
        weight_decay=0.0 if kind == "rmsprop" else draw.choice([0.0, 0.0, 0.01]),
        polyak=draw.choice([0.005, 0.1, 0.5]) if target == "polyak" else None,
        period=draw.choice([1, 2, 10, 100]) if target == "period" else None,
        loss=draw.choice(["half_squared", "squared", "huber"]),
    )


def with_weights(networks, generator):
    for parameter in networks.double().parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=F)


def weights_of(networks):
    return torch.cat([p.detach().reshape(-1) for p in networks.parameters()])


def measured_and_true(seed, size=5, width=None):
    """Return what is measured with frozen second moments, and log |λ| of the whole Jacobian.

    None where every row of Huber's loss is saturated.
    """
    draw, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    rule, is_twin = random_rule(draw), draw.random() < 0.25
    width, discount = width or draw.choice([4, 8]), draw.choice([0.5, 0.9, 0.99])
    num_actions = 1 if is_twin else draw.choice([1, 3])
    s, noise = torch.randn(2, size, width, generator=generator, dtype=F)
    s_next = draw.choice([0.5, 1, 1.5]) * s + noise / 2
    rewards = torch.randn(size, generator=generator, dtype=F)
    actions = torch.randint(num_actions, (size,), generator=generator)
    d = torch.rand(size, generator=generator) < 0.2
    batch = Transitions(s, actions, rewards, s_next, d)
    if is_twin:
        networks, slow = (nn.ModuleList([Critic(width), Critic(width)]) for _ in range(2))
        a, a_next = s[:, -1:], s_next[:, -1:]
        batch = SarsaTransitions(s[:, :-1], a, rewards, s_next[:, :-1], d, next_actions=a_next)
    else:
        networks, slow = (
            nn.ModuleList([nn.Linear(width, num_actions, bias=False)]) for _ in range(2)
        )
    with_weights(networks, generator)
    with_weights(slow, generator)
    parameters = list(networks.parameters())
    optimizer = rule.optimizer(parameters)
    for _ in range(11):
        for p in parameters:
            p.grad = torch.randn(p.shape, generator=generator, dtype=F)
        optimizer.step()

    def moment(key):
        return torch.cat([optimizer.state[p][key].reshape(-1) for p in parameters])

    w = weights_of(networks)
    m, P = torch.zeros_like(w), torch.ones_like(w)
    if rule.kind == "sgd" and rule.momentum:
        m = moment("momentum_buffer")
    elif rule.kind == "rmsprop":
        P = 1 / (moment("square_avg").sqrt() + rule.eps)
    elif rule.kind != "sgd":
        m, v = moment("exp_avg"), moment("exp_avg_sq") / (1 - rule.beta2**11)
        P = 1 / (v.sqrt() + rule.eps)
    has_target = rule.polyak is not None or rule.period is not None
    x = torch.cat([w, weights_of(slow) if has_target else w, m])
    problem = Linear(
        s, actions, rewards, s_next, discount * (~d).to(F), (len(networks), num_actions)
    )
    if (growth := true_growth(rule, problem, x, P)) is None:
        return None
    freeze_second_moments(optimizer)
    found = update_exponent(
        list(networks),
        batch,
        optimizer=optimizer,
        target=list(slow) if has_target else None,
        discount=discount,
        loss=rule.loss,
        target_period=rule.period,
        polyak=rule.polyak,
        seed=seed,
    )
    return found, math.log(growth)
