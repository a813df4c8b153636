"""A network of the caller's own: what learns is what acts, is saved, and is evaluated."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.agents import updates
from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.discrete.deferred import DeferredUpdates
from qdiverge.agents.evaluation.environments import own_environments
from qdiverge.agents.evaluation.episodes import evaluate
from qdiverge.agents.evaluation.held_out import HeldOut
from qdiverge.agents.evaluation.player import Player
from qdiverge.agents.evaluation.protocols import TASK
from qdiverge.agents.networks import MLP, MinAtarNetwork, NatureNetwork, channels_last
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.agents.records import Barrier
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.saved_agent import load_agent
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import CheckpointError, InvalidTypeError, InvalidValueError, QDivergeError
from tests.agents.continuous.tasks import AGENTS
from tests.agents.running import records_of

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=240,
    num_envs=2,
    learning_starts=40,
    buffer_size=1_000,
    batch_size=8,
    target_period=20,
    epsilon_start=0.1,
    checkpoint_period=100,
)


class Tanh(nn.Module):
    """Has the weights of an MLP of the house under the same names, and another activation."""

    def __init__(self, shape, num_outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(shape[0], 64), nn.Tanh(), nn.Linear(64, num_outputs))

    def forward(self, observations):
        return self.layers(observations)


def mlp(*hidden, **options):
    return lambda shape, num_outputs: MLP([*shape, *hidden, num_outputs], **options)


def assert_same(ours, theirs):
    for name, network in theirs.agent.networks.items():
        expected = network.state_dict()
        found = ours.agent.networks[name].state_dict()
        assert list(found) == list(expected)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert (ours.replay.actions == theirs.replay.actions).all()


SAME = {
    "plain": (CARTPOLE, mlp(*CARTPOLE.hidden_sizes)),
    "noisy": (
        CARTPOLE.adapted(noisy=True),
        mlp(*CARTPOLE.hidden_sizes, noisy=True),
    ),
    "distributional": (
        dataclasses.replace(CARTPOLE, distributional=True, num_atoms=11),
        mlp(*CARTPOLE.hidden_sizes),
    ),
    "MinAtar": (
        dataclasses.replace(CARTPOLE, environment="MinAtar/Breakout-v1"),
        lambda shape, num_outputs: MinAtarNetwork(shape, num_outputs),
    ),
    "Pong": (
        DQNConfig(
            total_steps=120, num_envs=2, learning_starts=40, buffer_size=200, batch_size=4,
            max_episode_frames=160,
        ),
        lambda _, num_outputs: channels_last(NatureNetwork(num_outputs)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("config", "make"), SAME.values(), ids=SAME)
def test_given_the_network_of_the_configuration_the_run_is_the_run(config, make):
    state, calls = torch.get_rng_state(), []
    own = Trainer(config, log_period=1)
    given = Trainer(
        config, log_period=1, make_q_network=lambda *shape: calls.append(shape) or make(*shape)
    )
    assert records_of(given) == records_of(own)
    assert_same(given, own)
    assert len(calls) == 1
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("is_deferred", [False, True])
@pytest.mark.parametrize("action", [0, 1])
def test_what_learns_is_what_acts(action, is_deferred, monkeypatch):
    if is_deferred:
        monkeypatch.setattr(updates, "deferred_updates", DeferredUpdates)
    trainer = Trainer(CARTPOLE.adapted(noisy=True), make_q_network=mlp(noisy=True))
    trainer.close()
    layer = trainer.q_network.layers[0]
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        layer.bias[action] = 1.0
    observations = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    greedy = trainer.behaviour.actions(observations, CARTPOLE.learning_starts)
    assert greedy.tolist() == [action] * 50
    assert trainer.behaviour.agent is trainer.agent  # type: ignore[attr-defined]  # ε-greedy
    assert trainer.optimizer.param_groups[0]["params"] == list(trainer.q_network.parameters())
    if is_deferred:
        assert trainer.updates.deferred.agent is trainer.agent


def test_from_a_checkpoint_a_given_network_goes_on_as_if_never_stopped(tmp_path):
    whole = Trainer(CARTPOLE, log_period=1, make_q_network=Tanh)
    records = records_of(whole, Checkpoints(tmp_path))
    resumed = Trainer(CARTPOLE, log_period=1, make_q_network=Tanh)
    Checkpoints(tmp_path).restore(resumed, 100)
    after = next(i for i, r in enumerate(records) if isinstance(r, Barrier) and r.step == 100)
    assert records_of(resumed) == records[after + 1 :]
    assert_same(resumed, whole)


def test_a_checkpoint_is_not_taken_for_one_of_another_make_of_network(tmp_path):
    """The weights would fit, and mean another function."""
    config = dataclasses.replace(CARTPOLE, hidden_sizes=(64,))
    given, own = Trainer(CARTPOLE, make_q_network=Tanh), Trainer(config)
    assert given.q_network.state_dict().keys() == own.q_network.state_dict().keys()
    for name, trainer in (("given", given), ("own", own)):
        records_of(trainer, Checkpoints(tmp_path / name))
    with pytest.raises(CheckpointError, match=r"make_q_network made; got no .* pass the one"):
        load_agent(tmp_path / "given")
    with pytest.raises(CheckpointError, match="its configuration describes; got a make_q"):
        load_agent(tmp_path / "own", make_q_network=Tanh)
    with pytest.raises(CheckpointError, match="make_q_network made"):
        Checkpoints(tmp_path / "given").restore(Trainer(CARTPOLE), 200)
    with pytest.raises(CheckpointError, match="its configuration describes"):
        Checkpoints(tmp_path / "own").restore(Trainer(CARTPOLE, make_q_network=Tanh), 200)
    observations = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    saved = load_agent(tmp_path / "given", step=200, make_q_network=Tanh)
    ours = Trainer(CARTPOLE, make_q_network=Tanh)
    Checkpoints(tmp_path / "given").restore(ours, 200)
    assert torch.equal(saved.agent.q_network(observations), ours.q_network(observations))
    assert load_agent(tmp_path / "own").agent.q_network.layers[0].weight.shape == (64, 4)


def test_an_evaluation_plays_a_given_network_and_leaves_it_as_it_is():
    """Also where it is the same object that is made each time."""
    one = Tanh((4,), 2)
    trainer = Trainer(CARTPOLE, make_q_network=lambda *_: one)
    records_of(trainer)
    network, weights = trainer.q_network, trainer.agent.playing_weights()
    before = {name: value.clone() for name, value in weights.items()}
    environments = own_environments(CARTPOLE, 1, np.random.SeedSequence(0))
    player = Player(CARTPOLE, environments, weights, trainer.make_q_network)
    environments.close()
    observations = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    values, actions = player.best(observations)
    with torch.no_grad():
        expected = network(torch.from_numpy(observations)).max(dim=1)
    assert torch.equal(values, expected.values)
    assert torch.equal(actions, expected.indices)
    held_out = HeldOut(CARTPOLE, make_q_network=trainer.make_q_network)
    with torch.no_grad():
        mean = network(torch.from_numpy(held_out.states)).amax(1).double().mean()
    assert held_out.mean_value(weights) == pytest.approx(float(mean))
    protocol = TASK.changed(episodes=2)
    played = evaluate(trainer.config, weights, protocol, make_q_network=trainer.make_q_network)
    assert len(played.episodes) == 2
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


WRONG = {
    "actions": (lambda shape, n: nn.Linear(shape[0], n + 1), {}, r"\[2, 2\]; got \[2, 3\] of"),
    "samples": (lambda shape, n: nn.Flatten(0), {}, "weights to learn"),
    "shape": (
        lambda shape, n: nn.Linear(5, n),
        {},
        r"observations \[2, 4\] of torch.float32 to \[2, 2\]; got RuntimeError: mat1 and mat2",
    ),
    "tuple": (lambda shape, n: nn.LSTM(*shape, n), {}, r"\[2, 2\]; got tuple"),
    "module": (lambda shape, n: torch.relu, {}, "return a torch.nn.Module; got builtin"),
    "noise": (mlp(), {"noisy": True}, r"NoisyLinear; got a MLP without. Drop noisy"),
    "atoms": (mlp(num_atoms=51), {"distributional": True}, r"\[2, 102\]; got \[2, 5202\]"),
    "widths": (mlp(), {"hidden_sizes": (9,)}, r"hidden_sizes would .* make_q_network makes"),
    "dueling": (mlp(), {"dueling": True}, "dueling would have no effect"),
}


@pytest.mark.parametrize(("make", "options", "message"), WRONG.values(), ids=WRONG)
def test_a_network_that_does_not_fit_is_refused_with_the_reason(make, options, message):
    with pytest.raises((InvalidValueError, InvalidTypeError), match=message):
        Trainer(CARTPOLE.adapted(**options), make_q_network=make)


@pytest.mark.parametrize("config", AGENTS.values(), ids=AGENTS)
def test_agents_of_continuous_control_take_none(config):
    with pytest.raises(InvalidValueError, match="only a DQN takes another network"):
        Trainer(config, make_q_network=mlp())


PARTS = {
    "trainer": ("config", "environments", "replay", "sampler", "agent", "behaviour", "updates",
                "make_q_network", "q_network", "target_network", "optimizer"),
    "trainer.agent": ("q_network", "target_network", "optimizer"),
    "trainer.behaviour": ("agent",),
    "trainer.sampler": ("replay",),
    "trainer.updates": ("agent", "sampler", "deferred"),
}  # fmt: skip


@pytest.mark.parametrize("config", [CARTPOLE, *AGENTS.values()], ids=["DQN", *AGENTS])
def test_no_part_of_a_run_can_be_exchanged_under_the_others(config):
    trainer, other = Trainer(config), Trainer(config)
    trainer.close()
    other.close()
    for path, names in PARTS.items():
        ours, theirs = (
            each if path == "trainer" else getattr(each, path.removeprefix("trainer."))
            for each in (trainer, other)
        )
        for name in names:
            held = getattr(ours, name)
            with pytest.raises(AttributeError, match=name):
                setattr(ours, name, getattr(theirs, name))
            with pytest.raises(AttributeError):
                delattr(ours, name)
            assert getattr(ours, name) is held
    with pytest.raises(QDivergeError, match=r"Trainer.agent is given once.* Make a new Trainer"):
        trainer.agent = other.agent


def test_weights_of_a_given_network_are_drawn_by_the_seed_of_the_run():
    def first(seed):
        trainer = Trainer(dataclasses.replace(CARTPOLE, seed=seed), make_q_network=Tanh)
        trainer.close()
        return trainer.q_network.layers[0].weight

    torch.manual_seed(1)
    weight = first(seed=3)
    torch.manual_seed(2)
    assert torch.equal(weight, first(seed=3))
    assert not torch.equal(weight, first(seed=4))


def test_a_noisy_network_without_noise_is_its_mean():
    trainer = Trainer(CARTPOLE, make_q_network=mlp(noisy=True))
    records_of(trainer)
    layer = trainer.q_network.layers[0]
    assert isinstance(layer, NoisyLinear)
    assert not layer.noise_in.any()
