"""The traps of the emulator's vector interface, measured on the emulator itself."""

import builtins

import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv

from qdiverge.agents.environments.atari import AtariEnvironments, emulator_seeds
from qdiverge.agents.evaluation.environments import environments_under
from qdiverge.agents.evaluation.protocols import MACHADO
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.errors import InvalidValueError, MissingExtraError


def raw_emulators(game, environments, **options):
    """ALE's own vector environment, on the seeds of ours, with its own choices visible."""
    emulators = AtariVectorEnv(
        game, environments.num_envs, num_threads=1, **{"reward_clipping": False, **options}
    )
    observations, info = emulators.reset(seed=environments._seeds)
    return emulators, observations, info


def actions_of(environments, num_steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(environments.num_actions, size=(num_steps, environments.num_envs))


def test_episodes_add_up_to_what_the_emulator_reports():
    """Score, agent steps and emulator frames of whole games, against NEXT_STEP's counters."""
    ours = AtariEnvironments("Breakout", num_envs=2, seed=6, repeat_action_probability=0.0)
    observations = ours.reset()
    theirs, their_observations, _ = raw_emulators("breakout", ours, autoreset_mode="NextStep")
    assert np.array_equal(observations, their_observations)
    actions = actions_of(ours, 6_000)
    episodes = []
    for row in actions:  # three games, one of which scores: of 83 random ones, 6 in 10 do
        episodes += ours.step(row).episodes
        if len(episodes) >= 3 and any(episode.score > 0 for episode in episodes):
            break
    ours.close()
    for e in range(2):  # one emulator of theirs at a time: NEXT_STEP inserts steps of its own
        mine = [episode for episode in episodes if episode.environment == e]
        theirs.reset(seed=ours._seeds)
        score, length, seen = 0, 0, []
        for row in actions[:, e]:
            if len(seen) == len(mine):
                break
            _, rewards, terminated, _, info = theirs.step(np.array([row, row]))
            score, length = score + rewards[e], length + 1
            if terminated[e]:
                seen.append((score, length, info["episode_frame_number"][e]))
                theirs.step(np.array([0, 0]))  # the step that never happened
                score, length = 0, 0
        assert [(m.score, m.length, m.frames) for m in mine] == seen
        assert all(m.terminated for m in mine)
    assert any(episode.score > 0 for episode in episodes)


def test_no_step_is_bogus_after_an_end():
    """NEXT_STEP's step after the end ignores its action; here every step acts."""
    ours = AtariEnvironments("Pong", num_envs=1, seed=2, repeat_action_probability=0.0)
    ours.reset()
    for row in actions_of(ours, 2_000):
        step = ours.step(row)
        if step.terminated[0]:
            break
    assert step.terminated[0]
    assert step.episodes
    # what to act on is the new game's first stack; s' is the old game's last
    assert [bool(frame.any()) for frame in step.observations[0]] == [False, False, False, True]
    assert step.next_observations[0].any(axis=(1, 2)).all()
    after = ours.step(np.array([0]))
    assert np.array_equal(after.observations[0, 2], step.observations[0, 3])
    assert not after.ended[0]
    ours.close()

    theirs, _, _ = raw_emulators("pong", ours, autoreset_mode="NextStep")
    terminated = [False]
    while not terminated[0]:
        observations, _, terminated, _, _ = theirs.step(np.array([0]))
    first, rewards, _, _, info = theirs.step(np.array([0]))
    assert info["episode_frame_number"][0] < 30  # no-ops of the reset: the action did nothing
    assert rewards[0] == 0
    assert not np.array_equal(first[0, 2], observations[0, 3])  # not the next of the stack before


def test_truncation_bootstraps_from_a_true_frame_where_the_emulators_is_stale():
    limit = 400  # emulator frames, 100 agent steps
    options = {"repeat_action_probability": 0.0}
    cut = AtariEnvironments("Pong", 1, 5, max_episode_frames=limit, **options)
    whole = AtariEnvironments("Pong", 1, 5, **options)
    cut.reset(), whole.reset()
    theirs, _, _ = raw_emulators(
        "pong", cut, autoreset_mode="SameStep", max_num_frames_per_episode=limit
    )
    for t, row in enumerate(actions_of(cut, 100), start=1):
        mine, truth = cut.step(row), whole.step(row)
        _, _, their_terminated, their_truncated, info = theirs.step(row)
        assert mine.truncated[0] == their_truncated[0] == (t == 100)
        assert not mine.terminated[0]
        assert not their_terminated[0]
    assert np.array_equal(mine.next_observations, truth.next_observations)
    differs = (info["final_obs"] != truth.next_observations)[0].any(axis=(1, 2))
    assert differs.tolist() == [False, False, False, True]  # the trap: only the newest is wrong
    (episode,) = mine.episodes
    assert (episode.length, episode.terminated) == (100, False)
    assert limit <= episode.frames < limit + 30  # the no-ops count as frames
    assert [bool(frame.any()) for frame in mine.observations[0]] == [False, False, False, True]
    cut.close(), whole.close()


def test_truncating_one_environment_leaves_the_others_alone():
    options = {"seed": 9, "repeat_action_probability": 0.25}
    short = AtariEnvironments("Breakout", num_envs=3, max_episode_frames=400, **options)
    long = AtariEnvironments("Breakout", num_envs=3, **options)
    short.reset(), long.reset()
    alike = np.ones(3, dtype=bool)
    truncations = 0
    for row in actions_of(short, 200):
        mine, truth = short.step(row), long.step(row)
        for e in np.flatnonzero(alike):
            assert np.array_equal(mine.next_observations[e], truth.next_observations[e])
            assert mine.rewards[e] == truth.rewards[e]
            assert mine.terminated[e] == truth.terminated[e]
        alike &= ~mine.truncated
        truncations += int(mine.truncated.sum())
    assert truncations
    short.close(), long.close()


def test_a_lost_life_ends_no_game():
    """``episodic_life`` resets everything at a lost life; our episodes span all five lives."""
    ours = AtariEnvironments("Breakout", num_envs=2, seed=1, repeat_action_probability=0.0)
    ours.reset()
    theirs, _, _ = raw_emulators("breakout", ours, autoreset_mode="SameStep", episodic_life=True)
    lives_lost, episodes, their_lives = np.zeros(2, int), [], []
    for row in actions_of(ours, 400):  # of 83 random games the longest took 341 steps
        step = ours.step(row)
        lives_lost += step.life_lost
        assert not (step.life_lost & step.terminated).any()
        episodes += step.episodes
        # five lives: four are lost on the way, the fifth is the end of the game
        assert (lives_lost[step.terminated] == 4).all()
        lives_lost[step.terminated] = 0
        _, _, terminated, _, info = theirs.step(row)
        their_lives += info["lives"][terminated].tolist()
    ours.close()
    assert episodes
    assert set(their_lives) == {5}  # the trap: a full game again after each lost life


def test_scores_are_raw_where_the_emulators_default_clips():
    ours = AtariEnvironments("SpaceInvaders", num_envs=2, seed=0, repeat_action_probability=0.0)
    ours.reset()
    theirs, _, _ = raw_emulators(
        "space_invaders", ours, autoreset_mode="SameStep", reward_clipping=True
    )
    raw, clipped = set(), set()
    for row in actions_of(ours, 3_000):  # until a shot hits: one random step in 52
        raw |= set(ours.step(row).rewards.tolist())
        clipped |= set(theirs.step(row)[1].tolist())
        if max(raw) > 1:
            break
    ours.close()
    assert max(raw) >= 5
    assert clipped == {0, 1}


def test_games_depend_on_the_seed_and_on_nothing_else():
    def trace(seed, num_threads=1, again=False, sticky=0.25):
        games = AtariEnvironments(
            "Pong", 2, seed, num_threads=num_threads, repeat_action_probability=sticky
        )
        games.reset()
        if again:
            games.step(np.zeros(2, dtype=np.int64))
            games.reset()
        shown = [games.step(row).observations for row in actions_of(games, 60)]
        games.close()
        return np.stack(shown)

    first = trace(seed=1)
    assert np.array_equal(first, trace(seed=1, num_threads=2))
    assert np.array_equal(first, trace(seed=1, again=True))
    assert not np.array_equal(first, trace(seed=2))
    assert not np.array_equal(first, trace(seed=1, sticky=0.0))


def test_runs_with_neighbouring_seeds_share_no_game():
    seeds = [emulator_seeds(seed, num_envs=8) for seed in range(100)]
    assert len(np.unique(np.concatenate(seeds))) == 800
    assert np.concatenate(seeds).max() < 2**31  # the emulator takes a C int


def test_closing_with_a_step_under_way_returns():
    games = AtariEnvironments("Pong", num_envs=2, seed=0)
    games.reset()
    games.send(np.zeros(2, dtype=np.int64))
    games.close()
    games.close()


def test_all_eighteen_actions_are_there_where_they_are_asked_for():
    games = AtariEnvironments("Pong", full_action_space=True)
    games.reset()
    assert games.num_actions == len(set(games.action_names)) == 18
    assert games.action_names[17] == "DOWNLEFTFIRE"
    games.step(np.array([17]))
    games.close()
    config = PRESETS["machado"]
    assert config.full_action_space
    protocol = MACHADO.changed(episodes=1)
    theirs = environments_under(protocol, config, 1, np.random.SeedSequence(0))
    assert theirs.num_actions == 18
    theirs.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ALE/Pnog-v5", r"one of the 104 Atari games; got 'ALE/Pnog-v5'.*ALE/Pong-v5"),
        ("breakuot", "ALE/Breakout-v5"),
        ("PongNoFrameskip-v4", r"Use 'ALE/Pong-v5'.*repeat_action_probability"),
        ("ALE/Combat-v5", "two players only"),  # loading it would end the process
        ("CartPole-v1", "104 Atari games"),
        ("", "For example 'ALE/Pong-v5'"),
    ],
)
def test_unknown_games_are_refused_with_a_suggestion(name, says):
    with pytest.raises(InvalidValueError, match=says):
        AtariEnvironments(name)


@pytest.mark.parametrize("name", ["Pong", "pong", "ALE/Pong-v5", "Pong-v5"])
def test_every_usual_name_of_a_game_is_understood(name):
    games = AtariEnvironments(name)
    assert (games.game, games.num_actions) == ("pong", 6)
    games.close()


@pytest.mark.parametrize(
    "options",
    [
        {"num_envs": 0},
        {"seed": -1},
        {"max_episode_frames": 3},
        {"noop_max": -1},
        {"num_threads": 0},
        {"repeat_action_probability": 1.0},
    ],
)
def test_impossible_numbers_are_refused(options):
    (name,) = options
    with pytest.raises(InvalidValueError, match=name):
        AtariEnvironments("Pong", **options)


def test_a_missing_rom_is_explained(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(InvalidValueError, match=r"ROM of pong.*unset ALE_ROMS_DIR"):
        AtariEnvironments("Pong")


def test_a_missing_extra_is_named(monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.split(".")[0] in ("ale_py", "gymnasium"):
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'qdiverge\[atari\]'"):
        AtariEnvironments("Pong")
