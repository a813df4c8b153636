"""Evaluations of real networks: determinism, what is predicted, random play, pictures, files."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from qdiverge.agents.discrete.dqn_network import make_network
from qdiverge.agents.evaluation.environments import environments_under, own_environments
from qdiverge.agents.evaluation.episodes import evaluate, play_randomly, value_check
from qdiverge.agents.evaluation.evaluation_file import result_of, write_result
from qdiverge.agents.evaluation.frame_files import write_gif, write_strip
from qdiverge.agents.evaluation.held_out import HeldOut
from qdiverge.agents.evaluation.player import Player
from qdiverge.agents.evaluation.protocols import MACHADO, NATURE, TASK
from qdiverge.agents.evaluation.statistics import summarise
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import InvalidValueError, MissingExtraError

CARTPOLE = DQNConfig(environment="CartPole-v1", clip_rewards=False, hidden_sizes=(16,))
BREAKOUT = DQNConfig(environment="ALE/Breakout-v5")
SHORT = dataclasses.replace(NATURE, episodes=3, max_episode_frames=400)


def weights_of(config, seed=0):
    environments = own_environments(config, 1, np.random.SeedSequence(0))
    network = make_network(config, environments, np.random.SeedSequence(seed))
    environments.close()
    return network.state_dict()


def seen(evaluation):
    return [(p.episode, p.values.tolist(), p.rewards.tolist()) for p in evaluation.episodes]


@pytest.mark.parametrize(("config", "protocol"), [(CARTPOLE, TASK), (BREAKOUT, SHORT)])
def test_a_seed_fixes_every_step_and_another_seed_changes_them(config, protocol):
    protocol = protocol.changed(episodes=3, epsilon=0.1)
    weights, threads = weights_of(config), torch.get_num_threads()
    state = torch.get_rng_state()
    first = evaluate(config, weights, protocol, seed=5)
    assert seen(first) == seen(evaluate(config, weights, protocol, seed=5))
    assert seen(first) != seen(evaluate(config, weights, protocol, seed=6))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert len(first.episodes) == len(first.values) == 3


def test_predictions_are_those_of_the_network_at_the_states_it_visited():
    """A task whose rewards are 1: G_t is a geometric sum, and Q one linear layer."""
    config = dataclasses.replace(CARTPOLE, hidden_sizes=(), discount=0.9)
    weights = weights_of(config)
    for value in weights.values():
        value.zero_()
    bias = next(key for key in weights if key.endswith("bias"))
    weights[bias][:] = torch.tensor([2.0, 3.0])  # Q = (2, 3) everywhere
    found = evaluate(config, weights, TASK.changed(episodes=2), seed=1)
    for played, values in zip(found.episodes, found.values, strict=True):
        T = played.episode.length
        assert played.episode.terminated
        assert (played.values == 3.0).all()
        realised = np.mean([(1 - 0.9 ** (T - t)) / 0.1 for t in range(T)])
        assert values.realised == pytest.approx(realised)
        assert values.bias == pytest.approx(3.0 - realised)
    assert found.overestimation.num_steps == sum(p.episode.length for p in found.episodes)


def test_the_returns_are_counted_as_the_learner_counts_them():
    config = DQNConfig(environment="SpaceInvaders", discount=0.5, clip_rewards=True)
    (played,) = play_randomly(config, NATURE.changed(episodes=1))
    assert played.rewards.max() > 1  # raw
    assert played.life_lost.any()
    twos = 2 * np.ones_like(played.rewards)  # at every step, so also after a life was lost
    values = dataclasses.replace(played, rewards=twos, values=0 * twos)
    clipped = value_check([values], config).realised
    raw = value_check([values], dataclasses.replace(config, clip_rewards=False)).realised
    lives = value_check([values], dataclasses.replace(config, terminal_on_life_loss=True))
    assert raw == pytest.approx(2 * clipped)
    assert 0 < lives.realised < clipped


def test_noisy_networks_play_without_noise_and_are_left_alone():
    config = dataclasses.replace(CARTPOLE, noisy=True)
    weights = weights_of(config)
    quiet = seen(evaluate(config, weights, TASK.changed(episodes=2)))
    for key in weights:
        if "noise" in key:
            weights[key] += 3.0
    before = {key: value.clone() for key, value in weights.items()}
    assert seen(evaluate(config, weights, TASK.changed(episodes=2))) == quiet
    assert all(torch.equal(before[key], weights[key]) for key in weights)


def test_random_play_of_pong_scores_what_the_paper_says():
    """-20.7 in Extended Data Table 2: 0.3 points of its own a game. Here 40 games had 0.475 ± 0.12.

    They come one by one (variance 0.55): more than 14 in four games have a chance below 3e-7.
    """
    config = DQNConfig(environment="ALE/Pong-v5")
    episodes = [played.episode for played in play_randomly(config, NATURE.changed(episodes=4))]
    assert -21 <= summarise([episode.score for episode in episodes]).mean <= -21 + 14 / 4
    # 10 Hz: six frames an action, but for the last; up to 30 no-ops come before the first
    assert all(-6 < episode.frames - 6 * episode.length <= 30 for episode in episodes)


def test_held_out_states_are_fixed_and_their_value_is_the_networks():
    config = dataclasses.replace(CARTPOLE, total_steps=4_000)
    first, again = HeldOut(config), HeldOut(config)
    assert first.states.shape == (100, 4)
    assert np.array_equal(first.states, again.states)
    assert len(np.unique(first.states, axis=0)) > 90
    other = HeldOut(dataclasses.replace(config, seed=2))
    assert not np.array_equal(first.states, other.states)
    tasks = own_environments(config, 1, np.random.SeedSequence(0))
    network = make_network(config, tasks, np.random.SeedSequence(3))
    with torch.no_grad():
        value = network(torch.from_numpy(first.states)).amax(dim=1).mean().item()
    assert first.mean_value(network.state_dict()) == pytest.approx(value)
    called = []
    network.register_forward_hook(lambda *_: called.append(1))
    first.mean_value(network.state_dict())
    assert not called  # whoever watches the network hears nothing
    tasks.close()


def test_the_film_shows_the_first_episode_and_changes_nothing(tmp_path):
    protocol = dataclasses.replace(SHORT, episodes=2, repeat_action_probability=0.25)
    weights = weights_of(BREAKOUT)
    plain = evaluate(BREAKOUT, weights, protocol)
    filmed = evaluate(BREAKOUT, weights, protocol, is_filmed=True)
    assert seen(plain) == seen(filmed)
    assert len(filmed.frames) == filmed.episodes[0].episode.length + 1
    assert filmed.frame_rate == 15.0
    first = filmed.frames[0]
    assert first.shape == (210, 160, 3)
    # the six rows of bricks, red to blue, where the game has them
    rows = [tuple(first[60 + 6 * row, 80]) for row in range(6)]
    assert rows == [(200, 72, 72), (198, 108, 58), (180, 122, 48), (162, 162, 42), (72, 160, 72),
                    (66, 72, 200)]  # fmt: skip

    path = write_gif(tmp_path / "film.gif", filmed.frames, filmed.frame_rate)
    with Image.open(path) as gif:
        assert np.array_equal(np.asarray(gif.convert("RGB")), first)
        duration = 0
        for index in range(gif.n_frames):
            gif.seek(index)
            duration += gif.info["duration"]
        assert np.array_equal(np.asarray(gif.convert("RGB")), filmed.frames[-1])
    assert duration == pytest.approx(1000 * len(filmed.frames) / 15, abs=10)

    with Image.open(write_strip(tmp_path / "strip.png", filmed.frames, 3)) as image:
        strip = np.asarray(image)
    assert strip.shape == (210, 3 * 160 + 2 * 4, 3)
    assert np.array_equal(strip[:, :160], first)
    assert np.array_equal(strip[:, -160:], filmed.frames[-1])
    with pytest.raises(InvalidValueError, match="at least one frame"):
        write_strip(tmp_path / "none.png", [])


@pytest.mark.parametrize("game", ["MinAtar/Breakout-v1", "MinAtar/Seaquest-v1"])
def test_the_film_of_a_grid_shows_its_objects(game):
    config = DQNConfig(environment=game, repeat_action_probability=0.1, max_episode_frames=200)
    filmed = evaluate(config, weights_of(config), TASK.changed(episodes=1), is_filmed=True)
    first = filmed.frames[0]
    assert first.shape == (160, 160, 3)
    assert len(filmed.frames) == filmed.episodes[0].episode.length + 1
    if "Breakout" in game:
        cells = first[8::16, 8::16].any(axis=2)
        assert cells[1:4].all()  # three rows of bricks
        assert cells[9].sum() == 1  # the paddle


def test_a_task_that_cannot_be_drawn_says_why(monkeypatch):
    import gymnasium

    def refuse(*_, **__):
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed")

    monkeypatch.setattr("gymnasium.envs.classic_control.CartPoleEnv.render", refuse)
    with pytest.raises(MissingExtraError, match=r"CartPole-v1 cannot be drawn here.*pygame"):
        evaluate(CARTPOLE, weights_of(CARTPOLE), TASK.changed(episodes=1), is_filmed=True)


def test_the_result_says_everything_and_is_never_overwritten(tmp_path):
    found = evaluate(BREAKOUT, weights_of(BREAKOUT), SHORT)
    by_chance = play_randomly(BREAKOUT, SHORT)
    result = result_of(
        found, config=BREAKOUT, game="breakout", step=7, random_play=by_chance,
        training_scores=[1.0, 2.0, 6.0],
    )  # fmt: skip
    path = write_result(tmp_path, result)
    assert path == tmp_path / "evaluations" / "nature-7.json"
    again = write_result(tmp_path, result)
    assert again.name == "nature-7-2.json"
    assert sorted(file.name for file in path.parent.iterdir()) == [again.name, path.name]
    read = json.loads(path.read_text())
    assert read == json.loads(again.read_text())
    assert read["protocol"] == json.loads(json.dumps(dataclasses.asdict(SHORT)))
    assert read["config"]["environment"] == "ALE/Breakout-v5"
    assert {"seed", "num_envs", "step", "schema", "provenance", "interval"} <= read.keys()
    scores = [played.episode.score for played in found.episodes]
    assert [episode["score"] for episode in read["episodes"]] == scores
    assert all({"length", "frames", "terminated", "values"} <= e.keys() for e in read["episodes"])
    assert read["score"] == dataclasses.asdict(summarise(scores))
    normalised = read["human_normalised"]
    assert normalised["mean"] == pytest.approx(100 * (np.mean(scores) - 1.7) / (31.8 - 1.7))
    assert "10.1038/nature14236" in normalised["of"]
    assert read["random_agent"]["score"]["num_episodes"] == 3
    assert read["training_episodes"]["score"]["mean"] == 3.0


def test_a_game_without_a_human_score_gives_the_reason():
    config = DQNConfig(environment="ALE/Adventure-v5")
    found = evaluate(config, weights_of(config), SHORT.changed(episodes=1))
    normalised = result_of(found, config=config, game="adventure", step=1)["human_normalised"]
    assert normalised["mean"] is None
    assert "49 games" in normalised["reason"]


def test_machados_environments_are_sticky_and_natures_are_not():
    def frames(protocol):
        environments = environments_under(protocol, BREAKOUT, 1, np.random.SeedSequence(1))
        environments.reset()
        shown = [environments.step(np.array([t % 2 + 2])).observations for t in range(60)]
        environments.close()
        return np.stack(shown)

    calm = dataclasses.replace(MACHADO, repeat_action_probability=0.0)
    assert not np.array_equal(frames(MACHADO), frames(calm))


def test_a_quiet_network_is_the_one_that_acts():
    config = dataclasses.replace(CARTPOLE, dueling=True, layer_norm=True)
    tasks = own_environments(config, 2, np.random.SeedSequence(0))
    network = make_network(config, tasks, np.random.SeedSequence(3))
    values, actions = Player(config, tasks, network.state_dict()).best(tasks.reset())
    with torch.no_grad():
        q_values = network(torch.from_numpy(tasks.reset()))
    assert torch.equal(values, q_values.amax(dim=1))
    assert torch.equal(actions, q_values.argmax(dim=1))
    tasks.close()
