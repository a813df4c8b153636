"""One update of each algorithm, by hand."""

import math

import pytest
import torch
from torch import nn

from qdiverge.agents.continuous.ddpg import DDPG
from qdiverge.agents.continuous.networks import Actor, Critic, GaussianActor, squashed_log_prob
from qdiverge.agents.continuous.preqn_ddpg import PreQNDDPG
from qdiverge.agents.continuous.sac import SAC
from qdiverge.agents.continuous.search_q_learning import QLearning
from qdiverge.agents.continuous.td3 import TD3
from qdiverge.agents.settings.continuous_config import (
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)
from qdiverge.transitions import Transitions

DISCOUNT = 0.9
NEXT = 0.5  # μ(s')


def critic(of_state, of_action, bias):
    """Q(s, a) = of_state · s + of_action · a + bias."""
    network = Critic(1, 1, ())
    with torch.no_grad():
        network.net.layers[0].weight.copy_(torch.tensor([[of_state, of_action]]))
        network.net.layers[0].bias.fill_(bias)
    return network


def actor(network, *biases):
    """The same outputs whatever the state."""
    with torch.no_grad():
        network.net.layers[0].weight.zero_()
        network.net.layers[0].bias.copy_(torch.tensor(biases))
    return network


def batch():
    """From s = 1 by a = 0 to s' = 2 for r = 1; once more, and there it ends."""
    s, a = torch.ones(2, 1), torch.zeros(2, 1)
    return Transitions(s, a, torch.ones(2), 2 * s, torch.tensor([False, True]))


def config(kind, **options):
    return kind(discount=DISCOUNT, hidden_sizes=(), **options)


def mu():
    return actor(Actor(1, 1, ()), math.atanh(NEXT))


def bias_of(network):
    return network.net.layers[0].bias.detach().clone()


def test_ddpg_asks_the_slow_copies():
    agent = DDPG(critic(1.0, 2.0, 0.5), mu(), config(DDPGConfig))
    # 1 + .9 (2 + 2 · .5 + .5)
    torch.testing.assert_close(agent.targets(batch()), torch.tensor([4.15, 1.0]))
    with torch.no_grad():
        agent.critics[0].net.layers[0].bias.fill_(100.0)
        agent.actor.net.layers[0].bias.fill_(-100.0)
    torch.testing.assert_close(agent.targets(batch()), torch.tensor([4.15, 1.0]))


def test_preqn_has_no_slow_copies_and_its_step_solves_the_batch():
    whole = {"preqn_learning_rate": 1.0, "preqn_damping": 0.0}
    agent = PreQNDDPG(critic(1.0, 2.0, 0.5), mu(), config(DDPGConfig, update="preqn", **whole))
    torch.testing.assert_close(agent.targets(batch()), torch.tensor([4.15, 1.0]))
    assert agent.target_critics == ()
    assert set(agent.networks) == {"critic_1", "actor"}
    s, a = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    both = Transitions(s, a, torch.tensor([1.0, 3.0]), s, torch.tensor([True, True]))
    update = agent.update(both)
    torch.testing.assert_close(agent.values_of(both), both.rewards)  # Q is linear: exact
    assert update.preqn.is_accepted
    assert update.preqn.alignment == pytest.approx(1.0)
    with torch.no_grad():
        agent.critics[0].net.layers[0].bias.fill_(100.0)
    assert float(agent.targets(batch())[0]) > 80.0


def test_td3_takes_the_lesser_critic_at_a_smoothed_action():
    pair = critic(1.0, 2.0, 0.5), critic(0.0, 4.0, 0.0)  # at .5: 3.5 and 2
    quiet = TD3(pair, mu(), config(TD3Config, policy_noise=0.0))
    torch.testing.assert_close(quiet.targets(batch()), torch.tensor([2.8, 1.0]))  # 1 + .9 · 2
    loud = TD3(pair, mu(), config(TD3Config, policy_noise=1e6, noise_clip=0.25))
    found = {round(float(loud.targets(batch())[0]), 4) for _ in range(20)}
    assert found == {1.9, 3.7}  # a' is .25 or .75
    wild = TD3(pair, mu(), config(TD3Config, policy_noise=1e6, noise_clip=10.0))
    found = {round(float(wild.targets(batch())[0]), 4) for _ in range(20)}
    assert found == {-2.6, 4.6}  # a' is −1 or 1, Q 4a or 4


def test_sac_adds_the_entropy_of_the_action_drawn():
    pair = critic(1.0, 2.0, 0.5), critic(0.0, 4.0, 0.0)
    gaussian = actor(GaussianActor(1, 1, ()), 0.3, -1.0)
    agent = SAC(pair, gaussian, 1, config(SACConfig, temperature=0.2))
    state = agent._noise.get_state()
    found = agent.targets(batch())
    noise = torch.randn(2, 1, generator=agent._noise.set_state(state))
    normal = torch.distributions.Normal(0.3, math.exp(-1.0))
    squash = torch.distributions.TanhTransform()
    policy = torch.distributions.TransformedDistribution(normal, [squash])
    a = torch.tanh(0.3 + math.exp(-1.0) * noise)
    least = torch.minimum(2 + 2 * a + 0.5, 4 * a)
    soft = (least - 0.2 * policy.log_prob(a)).squeeze(1)
    torch.testing.assert_close(found, torch.stack([1 + 0.9 * soft[0], torch.tensor(1.0)]))


def test_the_log_density_of_a_squashed_gaussian():
    generator = torch.Generator().manual_seed(0)
    mean, log_std, noise = (torch.randn(50, 3, generator=generator).double() for _ in range(3))
    u = mean + log_std.exp() * noise
    normal = torch.distributions.Normal(mean, log_std.exp())
    expected = (normal.log_prob(u) - torch.log(1 - torch.tanh(u) ** 2)).sum(1)
    near = u.abs().amax(dim=1) < 8  # beyond, 1 − tanh² rounds
    found = squashed_log_prob(u, log_std, noise)
    torch.testing.assert_close(found[near], expected[near], rtol=1e-6, atol=1e-6)
    assert torch.isfinite(squashed_log_prob(1e3 * u, log_std, noise)).all()


@pytest.mark.parametrize("maximiser", ["cem", "gradient"])
@pytest.mark.parametrize("polyak", [0.005, None])
def test_q_learning_takes_the_best_action_of_the_box(maximiser, polyak):
    options = {  # enough draws, and steps across the whole box, to find its end for sure
        "cem": {"cem_samples": 512, "cem_elites": 64, "cem_rounds": 8},
        "gradient": {"ascent_rounds": 14},
    }[maximiser]
    agent = QLearning(
        critic(1.0, 2.0, 0.5),
        1,
        config(QLearningConfig, maximiser=maximiser, polyak=polyak, **options),
    )
    # 1 + .9 (2 + 2 + .5), at a' = 1
    torch.testing.assert_close(agent.targets(batch()), torch.tensor([5.05, 1.0]), atol=0.02, rtol=0)
    assert len(agent.target_critics) == (polyak is not None)
    with torch.no_grad():
        agent.critics[0].net.layers[0].bias.fill_(100.0)
    assert (float(agent.targets(batch())[0]) > 80.0) == (polyak is None)


def test_the_actor_climbs_the_first_critic_and_targets_follow_by_a_share():
    agent = TD3(
        (critic(0.0, 2.0, 0.0), critic(0.0, -2.0, 5.0)),
        mu(),
        config(TD3Config, actor_learning_rate=0.01, polyak=0.25),
    )
    before, slow = bias_of(agent.actor), bias_of(agent.target_critics[0])
    first = agent.update(batch(), number=1)  # Q_1 = 0, Q_2 = 5, y = 1 + .9 · min(1, 4), or 1
    assert first.loss == pytest.approx(
        sum((y - q) ** 2 for y in (1.9, 1.0) for q in (0, 5)) / 4, abs=2
    )
    assert torch.equal(bias_of(agent.actor), before)  # only at every second update
    assert torch.equal(bias_of(agent.target_critics[0]), slow)
    agent.update(batch(), number=2)
    torch.testing.assert_close(bias_of(agent.actor), before + 0.01)  # Adam's first step
    expected = slow + 0.25 * (bias_of(agent.critics[0]) - slow)
    torch.testing.assert_close(bias_of(agent.target_critics[0]), expected)
    torch.testing.assert_close(bias_of(agent.target_actor), before + 0.25 * 0.01)


@pytest.mark.parametrize(("target_entropy", "way"), [(10.0, 1), (-10.0, -1)])
def test_the_temperature_rises_where_the_entropy_is_too_small(target_entropy, way):
    gaussian = actor(GaussianActor(1, 1, ()), 0.0, -1.0)
    settings = config(SACConfig, target_entropy=target_entropy, temperature_learning_rate=0.01)
    agent = SAC((critic(0.0, 0.0, 0.0), critic(0.0, 0.0, 0.0)), gaussian, 1, settings)
    update = agent.update(batch())
    assert agent.entropy_coefficient == pytest.approx(math.exp(way * 0.01), rel=1e-5)
    assert update.numbers["alpha"] == pytest.approx(1.0)
    fixed = config(SACConfig, tune_temperature=False, temperature=0.3)
    agent = SAC((critic(0.0, 0.0, 0.0), critic(0.0, 0.0, 0.0)), gaussian, 1, fixed)
    agent.update(batch())
    assert agent.entropy_coefficient == pytest.approx(0.3)


def test_only_the_actor_moves_when_the_actor_learns():
    agent = DDPG(critic(0.0, 2.0, 0.0), mu(), config(DDPGConfig))
    before = bias_of(agent.critics[0])
    agent.improve(batch())
    assert torch.equal(bias_of(agent.critics[0]), before)
    assert all(p.grad is None for p in agent.critics[0].parameters())


@pytest.mark.parametrize("where", ["critic", "actor"])
def test_a_loss_that_is_not_finite_takes_no_step(where):
    agent = DDPG(critic(0.0, 2.0, 0.0), mu(), config(DDPGConfig))
    network: nn.Module = agent.target_critics[0] if where == "critic" else agent.actor
    with torch.no_grad():
        network.net.layers[0].bias.fill_(math.nan)
    weights = {name: p.clone() for name, p in agent.parameters.items()}
    update = agent.update(batch())
    assert not update.is_finite
    assert not math.isfinite(update.loss)
    if where == "critic":
        assert all(torch.equal(p, weights[name]) for name, p in agent.parameters.items())
