"""Critics of continuous actions: twins, views of one module, policies that draw, SB3's own."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.diagnostics import REGISTRY, SarsaTransitions, Transitions, as_transitions
from qdiverge.diagnostics.critics import CriticView, critic_views, next_actions
from qdiverge.diagnostics.diagnose import make_moment
from qdiverge.diagnostics.hidden_activations import layer_inputs
from qdiverge.diagnostics.preconditioner import step_scales
from qdiverge.errors import InvalidValueError
from tests.diagnostics.test_diagnostics import assert_same, fingerprint
from tests.reference import reference_kernel


class Critic(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, observations, actions):
        return self.body(torch.cat([observations, actions], dim=1))


class Twin(nn.Module):
    """Two values from one forward pass, as Stable-Baselines3's ContinuousCritic returns them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Critic(), Critic(6)

    def forward(self, observations, actions):
        return self.first(observations, actions), self.second(observations, actions)


def batch(seed=0, size=10, with_next=False):
    generator = torch.Generator().manual_seed(seed)
    s, s_next = torch.randn(2, size, 3, generator=generator)
    a, a_next = torch.randn(2, size, 2, generator=generator).clamp(-1, 1)
    r = torch.randn(size, generator=generator)
    fields = (s, a, r, s_next, torch.rand(size, generator=generator) < 0.2)
    return SarsaTransitions(*fields, a_next) if with_next else Transitions(*fields)


def actor(observations):
    return torch.tanh(observations[:, :2])


@pytest.fixture
def twins():
    torch.manual_seed(0)
    return (Critic(), Critic(6)), (Critic(), Critic(6))


def test_td_errors_take_the_least_target_and_the_entropy(twins):
    critics, targets = twins
    data = batch()

    def soft_actor(observations):
        return actor(observations), observations.sum(1), torch.zeros(1)  # CleanRL returns three

    moment = make_moment(
        critics, data, 0.9, 0.1, target=targets, policy=soft_actor, entropy_coefficient=0.2
    )
    a = actor(data.next_observations)
    least = torch.stack([t(data.next_observations, a).squeeze(1) for t in targets]).amin(0)
    soft = least - 0.2 * data.next_observations.sum(1)
    goal = data.rewards + 0.9 * (~data.terminated) * soft
    expected = goal - critics[0](data.observations, data.actions).squeeze(1)
    torch.testing.assert_close(moment.td_errors, expected.detach())
    assert moment.q_all.shape == (10, 2)


def test_the_batchs_next_actions_and_a_policy_that_names_them_agree(twins):
    (critic, _), (target, _) = twins
    data = batch(with_next=True)
    told = make_moment(critic, data, 0.9, 0.1, target=target)
    asked = make_moment(
        critic, data.plain(), 0.9, 0.1, target=target, policy=lambda s: data.next_actions
    )
    torch.testing.assert_close(told.td_errors, asked.td_errors)
    torch.testing.assert_close(told.successor_kernel, asked.successor_kernel)
    with pytest.raises(InvalidValueError, match="policy=target_policy"):
        make_moment(critic, data.plain(), 0.9, 0.1).td_errors  # noqa: B018


def test_kernels_of_a_view_are_those_of_the_critic_inside():
    torch.manual_seed(0)
    twin, data = Twin(), batch()
    second = make_moment((twin.second, twin.first), data, 0.9, 0.1, policy=actor)
    view = make_moment(CriticView(twin, 1), data, 0.9, 0.1, policy=actor)
    torch.testing.assert_close(view.kernel, second.kernel)
    torch.testing.assert_close(view.successor_kernel, second.successor_kernel)
    torch.testing.assert_close(view.features, second.features)
    both = critic_views(twin, data.observations, data.actions)
    assert [each.index for each in both] == [0, 1]
    expected = reference_kernel(twin.second, data.observations, data.actions)
    torch.testing.assert_close(view.kernel, expected, rtol=1e-4, atol=1e-5)


def test_a_views_layers_are_those_that_lead_to_its_value():
    data = batch()
    layers = layer_inputs(CriticView(Twin(), 0), data.observations, data.actions)
    assert list(layers) == ["module.first.body.0", "module.first.body.2"]


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.__name__)
def test_every_diagnostic_is_finite_on_critics_or_says_why_not(kind, twins):
    critics, targets = twins
    before = [fingerprint(network) for network in (*critics, *targets)]
    moment = make_moment(critics, batch(), 0.9, 1e-3, target=targets, policy=actor)
    if not kind.why_off(is_critic=True, has_next_actions=True):
        diagnostic = kind()
        metrics = diagnostic.measure(moment) | diagnostic.measure(replace(moment, update=1))
        assert metrics
        assert metrics.keys() <= {metric.key for metric in kind.metrics}
        assert all(math.isfinite(value) for value in metrics.values())
    for was, network in zip(before, (*critics, *targets), strict=True):
        assert_same(was, fingerprint(network))


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.__name__)
def test_a_diagnostic_is_off_where_it_would_ask_for_the_next_action_in_vain(kind, twins):
    critics, targets = twins
    moment = make_moment(critics, batch(), 0.9, 1e-3, target=targets)
    try:
        kind().measure(moment)
        asks = False
    except InvalidValueError as error:
        asks = "needs the next action" in str(error)
    is_off = bool(kind.why_off(is_critic=True, has_next_actions=False))
    assert is_off == (asks or bool(kind.not_for_critics))


def test_a_policy_that_draws_leaves_every_generator_and_repeats_itself():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))

        def sample(self, observations):
            return self.layer(observations) + torch.randn(2), torch.tensor(np.random.rand(10))  # noqa: NPY002

    policy, states = Noisy(), batch().observations
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = next_actions(policy.sample, states), next_actions(policy.sample, states)
    torch.testing.assert_close(first.actions, second.actions)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    assert policy.layer[1].training


def test_double_q_learning_selects_online_and_evaluates_with_the_target():
    online, target = nn.Linear(1, 2, bias=False), nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        online.weight.copy_(torch.tensor([[1.0], [3.0]]))
        target.weight.copy_(torch.tensor([[5.0], [4.0]]))
    s = torch.ones(1, 1)
    data = Transitions(s, torch.tensor([0]), torch.zeros(1), s, torch.zeros(1))
    values = {}
    for rule in ("q", "target_q", "inverse_double_q", "double_q"):
        moment = make_moment(online, data, 1.0, 0.1, target=target, bootstrap=rule)
        values[rule] = float(moment.td_errors + moment.q)
    assert values == {"q": 3.0, "target_q": 5.0, "inverse_double_q": 1.0, "double_q": 4.0}


def test_groups_of_other_rates_scale_the_preconditioner():
    torch.manual_seed(0)
    critic, data = Critic(), batch()
    layers = critic.body
    groups = [{"params": layers[0].parameters()}, {"params": layers[2].parameters(), "lr": 1e-4}]
    optimizer = torch.optim.Adam(groups, lr=1e-3)
    critic(data.observations, data.actions).square().mean().backward()
    optimizer.step()
    both = step_scales(optimizer, critic)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    same = step_scales(optimizer, critic)
    torch.testing.assert_close(both["body.0.weight"], same["body.0.weight"])
    torch.testing.assert_close(both["body.2.weight"], same["body.2.weight"] / 10)


def test_a_critic_is_diagnosed_with_its_fixed_policy(twins):
    critics, targets = twins
    diagnosis = qd.diagnose(critics, batch(), 0.9, 1e-3, target=targets, policy=actor)
    moment = make_moment(critics, batch(), 0.9, 1e-3, target=targets, policy=actor)
    K, successors = moment.kernel.double(), moment.successor_kernel.double()
    expected = qd.check_stability(K, successors, learning_rate=1e-3)
    assert diagnosis.stability.spectral_radius == pytest.approx(expected.spectral_radius, rel=1e-6)
    assert diagnosis.linearisation_error < 0.05
    assert "ADVICE" in str(diagnosis)


def test_sb3_critics_are_read_as_they_are():
    spaces = pytest.importorskip("gymnasium").spaces
    td3 = pytest.importorskip("stable_baselines3.td3.policies")
    space = spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2,))
    policy = td3.TD3Policy(*space, lambda _: 1e-3, net_arch=[16])
    critic = policy.critic
    samples = batch()
    moment = make_moment(
        critic, samples, 0.99, 1e-3, target=policy.critic_target, policy=policy.actor_target,
        optimizer=None,
    )  # fmt: skip
    assert moment.q_all.shape == (10, 2)
    with torch.no_grad():
        expected = critic.q1_forward(samples.observations, samples.actions).squeeze(1)
    torch.testing.assert_close(moment.q, expected)
    inner = copy.deepcopy(critic.qf0)

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, observations, actions):
            return self.inner(torch.cat([observations, actions], 1))

    alone = make_moment(First(), samples, 0.99, 1e-3, policy=policy.actor_target)
    torch.testing.assert_close(moment.kernel, alone.kernel)
    torch.testing.assert_close(moment.features, alone.features)


def test_a_batch_with_next_actions_is_read_and_checked():
    data = batch(with_next=True)
    fields = dict(vars(data))
    read = as_transitions(fields)
    assert isinstance(read, SarsaTransitions)
    half = read.select(slice(0, 5)).clone().join(read.select(slice(5, 10)))
    assert torch.equal(half.next_actions, data.next_actions)
    with pytest.raises(InvalidValueError, match="shape of actions"):
        as_transitions(fields | {"next_actions": torch.zeros(10, 3)})
