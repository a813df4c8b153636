"""From the same weights, on the same batches: updates are those of Stable-Baselines3."""

import numpy as np
import pytest
import torch

from qdiverge.agents.continuous.continuous_parts import make_continuous
from qdiverge.agents.settings.continuous_config import SACConfig, TD3Config
from qdiverge.transitions import Transitions

SHARED = {"hidden_sizes": (16, 16), "batch_size": 32, "learning_rate": 1e-3}
KINDS = {
    "TD3": TD3Config(**SHARED, actor_learning_rate=1e-3, policy_noise=0.0),
    "SAC": SACConfig(**SHARED, actor_learning_rate=1e-3, temperature_learning_rate=1e-3),
}
NUM_UPDATES = 4


def theirs(name):
    sb3 = pytest.importorskip("stable_baselines3")
    options = {"target_policy_noise": 0.0} if name == "TD3" else {"ent_coef": "auto"}
    model = getattr(sb3, name)(
        "MlpPolicy",
        "Pendulum-v1",
        learning_rate=1e-3,
        policy_kwargs={"net_arch": [16, 16]},
        buffer_size=100,
        device="cpu",
        seed=0,
        **options,
    )
    model.set_logger(sb3.common.logger.Logger(None, []))
    return model


def weights_of_sb3(model, name):
    """By our names of the networks, in the order of our parameters."""
    critics = {}
    for role, network in (("critic", model.critic), ("target_critic", model.critic_target)):
        for j, q in enumerate(network.q_networks, 1):
            critics[f"{role}_{j}"] = list(q.parameters())
    if name == "TD3":
        actors = {"actor": model.actor, "target_actor": model.actor_target}
        return critics | {role: list(actor.parameters()) for role, actor in actors.items()}
    actor = model.actor
    heads = zip(actor.mu.parameters(), actor.log_std.parameters(), strict=True)
    both = [torch.cat(pair) for pair in heads]  # our last layer gives both
    return critics | {
        "actor": [*actor.latent_pi.parameters(), *both],
        "temperature": [model.log_ent_coef.reshape(())],
    }


def optimizers_of_sb3(model, name):
    """In the order of ours."""
    both = [model.critic.optimizer, model.actor.optimizer]
    return both if name == "TD3" else [*both, model.ent_coef_optimizer]


def some_batch(seed):
    generator = torch.Generator().manual_seed(seed)
    s, following = (torch.randn(32, 3, generator=generator) for _ in range(2))
    a = 2 * torch.rand(32, 1, generator=generator) - 1
    rewards, ended = torch.randn(32, generator=generator), torch.arange(32) % 5 == 0
    return Transitions(s, a, rewards, following, ended)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_updates_are_those_of_stable_baselines3(name, monkeypatch):
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    monkeypatch.setattr(torch.distributions.Normal, "rsample", lambda self: self.loc)  # no noise
    model, agent = theirs(name), make_continuous(KINDS[name], 3, 1, np.random.SeedSequence(0))
    monkeypatch.setattr(agent, "_standard_normal", torch.zeros_like)
    start = weights_of_sb3(model, name)
    assert start.keys() == agent.networks.keys()
    with torch.no_grad():
        for role, network in agent.networks.items():
            for own, other in zip(network.parameters(), start[role], strict=True):
                own.copy_(other)
    # An ε above float32's noise: Adam would make whole steps of gradients that are nothing else.
    # The loss of TD3's critics is twice ours there, and so is what ε is compared with.
    for number, pair in enumerate(
        zip(agent.optimizers, optimizers_of_sb3(model, name), strict=True)
    ):
        ours, other = (optimizer.param_groups[0] for optimizer in pair)
        ours["eps"], other["eps"] = 1e-4, 2e-4 if (name, number) == ("TD3", 0) else 1e-4
    before = {name: p.detach().clone() for name, p in agent.parameters.items()}
    for number in range(1, NUM_UPDATES + 1):
        batch = some_batch(number)
        sample = ReplayBufferSamples(
            batch.observations,
            batch.actions,
            batch.next_observations,
            batch.terminated.float()[:, None],
            batch.rewards[:, None],
        )
        monkeypatch.setattr(model.replay_buffer, "sample", lambda *_, sample=sample, **__: sample)
        model.train(gradient_steps=1, batch_size=32)
        agent.update(batch, number)
    for role, expected in weights_of_sb3(model, name).items():
        found = list(agent.networks[role].parameters())
        for own, other in zip(found, expected, strict=True):
            torch.testing.assert_close(own.detach(), other.detach(), atol=5e-6, rtol=1e-5)
    for path in (
        "critic_1.net.layers.0.weight",
        "critic_2.net.layers.0.bias",
        "actor.net.layers.0.bias",
    ):
        assert (agent.parameters[path] - before[path]).abs().max() > 2e-4
