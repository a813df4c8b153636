"""C51 against a slow loop, against hand-computed numbers, and against what it must keep."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import qdiverge as qd
from qdiverge.agents.discrete.categorical import categorical_loss, projected
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.networks import MLP, CategoricalQ, NatureNetwork
from qdiverge.agents.networks.noisy import resample_noise
from qdiverge.agents.replay.sampling import LearnerBatch
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidTypeError
from qdiverge.transitions import Transitions
from tests.reference import reference_projection

RULES = ("q", "target_q", "inverse_double_q", "double_q")


def test_the_projection_stays_on_the_device_of_its_support():
    """The device "meta" holds no numbers, and takes part with no tensor of another device."""
    there = {"device": "meta"}
    ends, support = torch.zeros(4, dtype=torch.bool, **there), torch.zeros(5, **there)
    found = projected(torch.zeros(4, 5, **there), torch.zeros(4, **there), ends, 0.9, support)
    assert (found.device.type, found.shape) == ("meta", (4, 5))


def random_batch(num=6, num_actions=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return LearnerBatch(
        observations=torch.randn(num, 4, generator=generator, dtype=torch.float64),
        actions=torch.randint(num_actions, (num,), generator=generator),
        rewards=torch.randn(num, generator=generator, dtype=torch.float64),
        next_observations=torch.randn(num, 4, generator=generator, dtype=torch.float64),
        terminated=torch.arange(num) % 3 == 2,
        discounts=torch.tensor([0.9, 0.81, 0.729] * (num // 3), dtype=torch.float64),
        weights=torch.rand(num, generator=generator, dtype=torch.float64),
        index=torch.arange(num),
    )


def agent_of(num_atoms=7, dueling=False, layer_norm=False, noisy=False, **options):
    torch.manual_seed(0)
    network = MLP(
        [4, 8, 3], num_atoms=num_atoms, dueling=dueling, layer_norm=layer_norm, noisy=noisy
    )
    q = CategoricalQ(network, value_min=-2.0, value_max=3.0, num_atoms=num_atoms).double()
    config = DQNConfig(
        distributional=True,
        num_atoms=num_atoms,
        value_min=-2.0,
        value_max=3.0,
        noisy=noisy,
        optimizer="sgd",
        learning_rate=0.1,
        **options,
    )
    agent = DQN(q, config)
    if agent.target_network is not None:
        with torch.no_grad():
            for weight in agent.target_network.parameters():
                weight.add_(torch.randn_like(weight))
    return agent


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 12),
    st.floats(-30, 30),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 1_000),
    st.sampled_from([(-10.0, 10.0), (0.0, 1.0), (-3.0, 200.0)]),
)
def test_the_projection_is_that_of_the_loop(num, reward, discount, end, seed, bounds):
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(3, num, generator=generator, dtype=torch.float64)
    p = p / p.sum(1, keepdim=True)
    rewards = reward * torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)
    terminated = torch.tensor([False, True, end])
    discounts = torch.full((3,), discount, dtype=torch.float64)
    support = torch.linspace(bounds[0], bounds[1], num, dtype=torch.float64)
    m = projected(p, rewards, terminated, discounts, support)
    slow = reference_projection(p, rewards, terminated, discounts, support)
    torch.testing.assert_close(m, slow, rtol=0, atol=1e-9)
    torch.testing.assert_close(m.sum(1), torch.ones(3, dtype=torch.float64))


def test_the_projection_by_hand_and_without_loss_where_an_atom_meets_an_atom():
    support = torch.tensor([-1.0, 0.0, 1.0])
    p = torch.tensor([[0.2, 0.3, 0.5]])
    no, yes = torch.tensor([False]), torch.tensor([True])
    same = projected(p, torch.tensor([0.0]), no, 1.0, support)
    torch.testing.assert_close(same, p)
    # atoms at −.25, .25, .75: of the first a quarter falls on −1, and so on
    shifted = projected(p, torch.tensor([0.25]), no, 0.5, support)
    expected = [0.2 * 0.25, 0.2 * 0.75 + 0.3 * 0.75 + 0.5 * 0.25, 0.3 * 0.25 + 0.5 * 0.75]
    torch.testing.assert_close(shifted, torch.tensor([expected]))
    beyond = projected(p, torch.tensor([9.0]), no, 1.0, support)  # cut to v_max
    torch.testing.assert_close(beyond, torch.tensor([[0.0, 0.0, 1.0]]))
    over = projected(p, torch.tensor([-0.5]), yes, 1.0, support)
    torch.testing.assert_close(over, torch.tensor([[0.5, 0.5, 0.0]]))


def test_the_mean_moves_by_the_bellman_equation_where_nothing_is_cut():
    """E[Φ T Z'] = R + γ E[Z']: so the TD errors are those of Q-learning."""
    torch.manual_seed(0)
    support = torch.linspace(-10, 10, 51, dtype=torch.float64)
    p = torch.rand(8, 51, dtype=torch.float64).softmax(1)
    rewards = torch.rand(8, dtype=torch.float64)
    m = projected(p, rewards, torch.zeros(8).bool(), 0.9, support)
    torch.testing.assert_close(m @ support, rewards + 0.9 * (p @ support))


def test_loss_divergence_and_errors_by_hand():
    support = torch.tensor([0.0, 1.0])
    logits = torch.tensor([[[0.0, math.log(3.0)], [5.0, -5.0]]])  # action 0: p = 1/4, 3/4
    found = categorical_loss(logits, torch.tensor([0]), torch.tensor([[0.5, 0.5]]), support)
    entropy = math.log(2.0)
    cross = -(math.log(0.25) + math.log(0.75)) / 2
    assert found.cross_entropies.item() == pytest.approx(cross)
    assert found.divergences.item() == pytest.approx(cross - entropy)
    assert found.td_errors.item() == pytest.approx(0.5 - 0.75)
    assert found.q_values[0, 0].item() == pytest.approx(0.75)
    exact = categorical_loss(
        logits, torch.tensor([0]), torch.tensor([[0.25, 0.75]]), support
    )  # the loss keeps the target's entropy, the divergence does not
    assert exact.divergences.item() == pytest.approx(0.0, abs=1e-6)
    assert exact.cross_entropies.item() > 0.5


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dueling", [False, True])
def test_an_update_is_the_gradient_of_the_loop(rule, dueling):
    """θ ← θ − α ∇ mean w_i H(m_i, p_i), each m_i made for itself, no gradient through it."""
    agent, batch = agent_of(bootstrap=rule, dueling=dueling), random_batch()
    online, target = agent.q_network, agent.target_network or agent.q_network
    evaluate, select = {
        "q": (online, online),
        "target_q": (target, target),
        "inverse_double_q": (online, target),
        "double_q": (target, online),
    }[rule]
    total, divergences, errors = torch.zeros(()), [], []
    for i in range(len(batch)):
        with torch.no_grad():
            following = batch.next_observations[i : i + 1]
            best = int(select(following).argmax())
            p = evaluate.logits(following)[:, best].softmax(1)
            one = slice(i, i + 1)
            m = reference_projection(
                p, batch.rewards[one], batch.terminated[one], batch.discounts[one], online.support
            )[0]
        log_p = online.logits(batch.observations[i : i + 1])[0, batch.actions[i]].log_softmax(0)
        total = total - batch.weights[i] * (m * log_p).sum() / len(batch)
        divergences.append(float((torch.xlogy(m, m) - m * log_p.detach()).sum()))
        errors.append(float((m - log_p.detach().exp()) @ online.support))
    weights = list(online.parameters())
    gradients = torch.autograd.grad(total, weights)
    expected = [w.detach() - 0.1 * g for w, g in zip(weights, gradients, strict=True)]
    update = agent.update(batch)
    assert update.loss == pytest.approx(total.item())
    double = {"dtype": torch.float64}
    torch.testing.assert_close(update.surprises, torch.tensor(divergences, **double))
    torch.testing.assert_close(update.td_errors, torch.tensor(errors, **double))
    for weight, wanted in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.detach(), wanted)


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
def test_it_is_a_q_network_with_an_exact_kernel(dueling, layer_norm, noisy):
    network = agent_of(dueling=dueling, layer_norm=layer_norm, noisy=noisy).q_network
    resample_noise(network, torch.Generator().manual_seed(1))
    s, a = torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    p = network.logits(s).softmax(2)
    assert p.shape == (5, 3, 7)
    torch.testing.assert_close(network(s), p @ network.support)
    assert bool((network(s) > -2).all() & (network(s) < 3).all())
    exact = qd.empirical_ntk(network, s, a, method="reference")
    torch.testing.assert_close(qd.empirical_ntk(network, s, a), exact)


def test_two_streams_meet_atom_by_atom():
    """Hessel et al. (2018): logits_ij = v_j + a_ij − mean_i a_ij."""
    network = agent_of(dueling=True).q_network
    s = torch.randn(5, 4, dtype=torch.float64)
    streams = network.network.layers[-1]
    features = network.network.layers[:-1](s)
    v = streams.value(features)  # [5, 7]
    a = streams.advantage(features).view(5, 3, 7)
    logits = v[:, None] + a - a.mean(1, keepdim=True)
    torch.testing.assert_close(network.logits(s), logits)


def test_a_diagnosis_reads_the_expected_values():
    agent, batch = agent_of(), random_batch(12)
    plain = Transitions(
        batch.observations, batch.actions, batch.rewards, batch.next_observations, batch.terminated
    )
    diagnosis = qd.diagnose(
        agent.q_network, plain, discount=0.9, learning_rate=0.1, target=agent.target_network
    )
    assert diagnosis.contraction.row_holds.shape == (12,)
    assert str(diagnosis)


@pytest.mark.parametrize("dueling", [False, True])
def test_it_reaches_the_optimal_distributions_of_a_gamble(dueling):
    """s0 → s1 by action 1, then the end with 0 or 1 at even odds; action 0 ends at once with 0."""
    s = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    batch = Transitions(
        observations=s,
        actions=torch.tensor([0, 1, 0, 1, 0, 1]),
        rewards=torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0]),
        next_observations=torch.tensor([[0.0, 0.0], [0.0, 1.0]] + [[0.0, 0.0]] * 4),
        terminated=torch.tensor([True, False, True, True, True, True]),
    )
    config = DQNConfig(
        distributional=True,
        num_atoms=5,
        value_min=0.0,
        value_max=1.0,
        discount=0.5,
        learning_rate=0.05,
    )
    torch.manual_seed(0)
    network = MLP([2, 2], num_atoms=5, dueling=dueling)
    agent = DQN(CategoricalQ(network, value_min=0.0, value_max=1.0, num_atoms=5), config)
    for t in range(600):
        agent.update(batch)
        if t % 10 == 0:
            agent.sync_target()
    with torch.no_grad():
        q = agent.q_network(torch.eye(2))
        p = agent.q_network.logits(torch.eye(2)).softmax(2)
    optimal = torch.tensor([[0.0, 0.25], [0.5, 0.5]])
    torch.testing.assert_close(q, optimal, atol=0.02, rtol=0)
    gamble = torch.tensor([0.5, 0.0, 0.0, 0.0, 0.5])  # not its mean: the two outcomes
    torch.testing.assert_close(p[1, 0], gamble, atol=0.02, rtol=0)
    halved = torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0])
    torch.testing.assert_close(p[0, 1], halved, atol=0.02, rtol=0)


def test_the_network_and_the_configuration_must_agree():
    with pytest.raises(InvalidTypeError, match="a CategoricalQ goes with distributional"):
        DQN(MLP([4, 3]), DQNConfig(distributional=True))
    network = CategoricalQ(MLP([4, 3], num_atoms=2), value_min=0.0, value_max=1.0, num_atoms=2)
    with pytest.raises(InvalidTypeError, match="a CategoricalQ goes with distributional"):
        DQN(network, DQNConfig())


def test_the_nature_network_has_its_atoms():
    network = NatureNetwork(6, num_atoms=51, dueling=True, noisy=True)
    q = CategoricalQ(network, value_min=-10.0, value_max=10.0, num_atoms=51)
    frames = torch.randint(256, (2, 4, 84, 84), dtype=torch.uint8)
    assert q.logits(frames).shape == (2, 6, 51)
    assert q(frames).shape == (2, 6)
