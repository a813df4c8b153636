"""An agent comes back from its run's checkpoints as it was, or the damaged file is named."""

import dataclasses

import numpy as np
import pytest
import torch

from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.checkpoints.run_generators import find_generators
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.saved_agent import config_from_json, load_agent
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.preqn_settings import PreQNSettings
from qdiverge.errors import CheckpointError

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=200,
    num_envs=2,
    learning_starts=40,
    buffer_size=200,
    batch_size=8,
    target_period=64,
    hidden_sizes=(16, 16),
    checkpoint_period=None,
)
VARIANTS = {
    "plain": CARTPOLE,
    "everything": dataclasses.replace(
        CARTPOLE, prioritized=True, n_step=3, noisy=True, dueling=True, layer_norm=True
    ),
    "distributional": dataclasses.replace(
        CARTPOLE, prioritized=True, n_step=3, distributional=True, num_atoms=11, optimistic_value=2
    ),
    "boltzmann": CARTPOLE.adapted(exploration="boltzmann"),
    "nature_rmsprop": CARTPOLE.adapted(optimizer="nature_rmsprop", bootstrap="q"),
    "sgd": dataclasses.replace(CARTPOLE, optimizer="sgd"),
    "pong": DQNConfig(total_steps=96, num_envs=2, learning_starts=80, buffer_size=200),
}


def trained(config):
    trainer = Trainer(config)
    list(trainer.run())
    return trainer


def states(agent):
    """Everything that a further update depends on but the batch."""
    tensors = dict(agent.q_network.state_dict())
    if agent.target_network is not None:
        tensors |= {f"target.{k}": v for k, v in agent.target_network.state_dict().items()}
    for name, parameter in agent.q_network.named_parameters():
        state = agent.optimizer.state[parameter]
        tensors |= {f"{key}/{name}": state[key] for key in sorted(state)}
    return tensors


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_a_loaded_agent_goes_on_bit_for_bit_like_the_one_that_was_saved(config, tmp_path):
    trainer = trained(config)
    batch = trainer.sampler.sample(trainer.agent_step)
    assert Checkpoints(tmp_path).save(trainer, ended="total_steps")
    saved = load_agent(tmp_path)
    assert saved.config == trainer.config
    assert (saved.step, saved.num_updates) == (trainer.agent_step, trainer.num_updates)
    assert saved.num_updates > 3
    assert isinstance(saved.agent, DQN)
    assert isinstance(trainer.agent, DQN)
    saved.agent._noise.set_state(trainer.agent._noise.get_state())  # it is the run's
    for _ in range(2):
        ours, theirs = states(saved.agent), states(trainer.agent)
        assert list(ours) == list(theirs)
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor), name
            assert ours[name].stride() == tensor.stride(), name
        saved.agent.update(batch)
        trainer.agent.update(batch)


def test_every_generator_of_a_run_is_found():
    trainer = Trainer(VARIANTS["everything"])
    trainer.close()
    found = find_generators(trainer)
    assert {"behaviour.policy._rng", "behaviour.softmax._rng", "replay._rng"} <= found.keys()
    assert {"replay.priorities._rng", "agent._noise"} <= found.keys()
    assert len({id(generator) for generator in found.values()}) == len(found)


def test_a_flipped_bit_in_any_file_is_found_named_and_the_older_checkpoint_taken(tmp_path):
    trainer = trained(CARTPOLE)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(trainer)
    trainer.agent_step = 300
    checkpoints.save(trainer)
    assert load_agent(tmp_path).step == 300
    rng = np.random.default_rng(0)
    files = sorted((tmp_path / "checkpoints" / "300").iterdir())
    assert len(files) >= 4
    for path in files:
        content = path.read_bytes()
        for place in rng.integers(len(content), size=4):
            flipped = bytearray(content)
            flipped[place] ^= 1 << rng.integers(8)
            if path.name == "manifest.json" and flipped.split() == content.split():
                continue  # another white space says the same
            path.write_bytes(flipped)
            with pytest.warns(UserWarning, match=path.name):
                assert load_agent(tmp_path).step == 200
            with pytest.raises(CheckpointError, match=path.name):
                load_agent(tmp_path, step=300)
        path.write_bytes(content[:-1])
        with pytest.raises(CheckpointError, match=path.name):
            load_agent(tmp_path, step=300)
        path.unlink()
        with pytest.raises(CheckpointError, match=r"300"):
            load_agent(tmp_path, step=300)
        path.write_bytes(content)
    assert load_agent(tmp_path).step == 300


def test_without_a_checkpoint_the_error_says_where_they_come_from(tmp_path):
    with pytest.raises(CheckpointError, match="checkpoint_period"):
        load_agent(tmp_path)
    Checkpoints(tmp_path).save(trained(CARTPOLE))
    with pytest.raises(CheckpointError, match=r"got 7\. There are: 200"):
        load_agent(tmp_path, step=7)
    with pytest.raises(CheckpointError, match="colour"):
        config_from_json({"colour": 1})


def test_settings_from_before_preqn_was_damped_mean_what_they_meant():
    of_preqn = {
        "preqn_learning_rate": 1.0,
        "preqn_alignment": 0.97,
        "preqn_align_with": "td_errors",
    }
    plain = config_from_json({"environment": "CartPole-v1", "update": "gradient", **of_preqn})
    assert plain == DQNConfig(environment="CartPole-v1")  # nothing that it does not read
    for algorithm in ("dqn", "ddpg"):
        settings = {"algorithm": algorithm, "update": "preqn", "discount": 0.9, **of_preqn}
        if algorithm == "dqn":
            settings |= {"bootstrap": "q"}
        preqn = config_from_json(settings)
        assert isinstance(preqn, PreQNSettings)
        assert (preqn.preqn_learning_rate, preqn.preqn_damping) == (1.0, 0.0)
        assert preqn.preqn_align_with == "td_errors"


def test_the_last_checkpoints_are_kept_and_what_a_dead_process_left_is_swept(tmp_path):
    trainer = trained(CARTPOLE)
    checkpoints = Checkpoints(tmp_path, keep=2)
    (tmp_path / "checkpoints" / ".64.tmp").mkdir(parents=True)
    for step in (100, 200, 300):
        trainer.agent_step = step
        assert checkpoints.save(trainer)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["200", "300"]


def test_where_nothing_can_be_written_training_goes_on_with_one_warning(tmp_path):
    trainer = trained(CARTPOLE)
    (tmp_path / "checkpoints").write_text("a file, where a folder should be")
    checkpoints = Checkpoints(tmp_path)
    with pytest.warns(UserWarning, match="training goes on") as seen:
        assert not checkpoints.save(trainer)
        assert not checkpoints.save(trainer)
    assert len(seen) == 1
