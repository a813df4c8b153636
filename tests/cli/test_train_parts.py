"""Every part of the learner from the command line, and the presets."""

import pytest
import torch

from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.saved_agent import load_agent
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS
from qdiverge.cli import main
from qdiverge.cli.training import parse
from qdiverge.cli.watch_settings import Watching
from qdiverge.cli.watched import train_watched
from qdiverge.runs import load_run

FLAGS = {
    ("--double",): {"double": True},
    ("--bootstrap", "inverse_double_q"): {"bootstrap": "inverse_double_q"},
    ("--dueling",): {"dueling": True},
    ("--layer-norm",): {"layer_norm": True},
    ("--noisy",): {"noisy": True},
    ("--polyak", "0.01"): {"polyak": 0.01},
    ("--n-step", "3"): {"n_step": 3},
    ("--prioritized",): {"prioritized": True},
    ("--prioritized", "--prioritized-replay-alpha", "0.5"): {
        "prioritized": True,
        "priority_exponent": 0.5,
    },
    ("--distributional", "--n-atoms", "11", "--v-min", "-1", "--v-max=5"): {
        "distributional": True,
        "num_atoms": 11,
        "value_min": -1.0,
        "value_max": 5.0,
    },
    ("--exploration", "boltzmann", "--temperature-end", "0.1"): {
        "exploration": "boltzmann",
        "temperature_end": 0.1,
    },
    ("--optimistic-value", "2"): {"optimistic_value": 2.0},
    ("--no-clip-rewards",): {"clip_rewards": False},
    ("--clip-rewards", "--double"): {"clip_rewards": True, "double": True},
    ("--optimizer", "nature_rmsprop"): {"optimizer": "nature_rmsprop"},
    ("--hidden-sizes", "64", "32"): {"hidden_sizes": (64, 32)},
    ("--width-factor", "0.5"): {"width_factor": 0.5},
}


@pytest.mark.parametrize(("flags", "options"), FLAGS.items())
def test_every_part_has_its_flag(flags, options):
    config = parse("dqn", ["--out", "x", *flags]).config
    assert config == DQNConfig(**options)


def test_flags_override_a_preset_wherever_they_stand():
    for arguments in (
        ["--preset", "nature", "--epsilon-end", "0.05", "--out", "x"],
        ["--epsilon-end", "0.05", "--out", "x", "--preset=nature"],
    ):
        config = parse("dqn", arguments).config
        assert config.epsilon_end == 0.05
        assert config.buffer_size == 1_000_000
        assert config.optimizer == "nature_rmsprop"


def test_settings_of_a_preset_fall_away_where_the_flags_leave_them_without_effect():
    flags = ["--preset", "nature", "--noisy", "--environment=CartPole-v1", "--out", "x"]
    config = parse("dqn", flags).config
    assert (config.epsilon_end, config.exploration_steps) == (0.02, 100_000)  # the defaults
    assert (config.noop_max, config.terminal_on_life_loss) == (30, False)
    assert (config.buffer_size, config.clip_rewards) == (1_000_000, True)


def test_rainbow_is_its_preset_and_can_be_taken_apart():
    config = parse("dqn", ["--out", "x", "--rainbow"]).config
    assert config == PRESETS["rainbow"] == parse("dqn", ["--preset=rainbow", "--out", "x"]).config
    parts = ("double", "dueling", "noisy", "prioritized", "distributional")
    assert all(getattr(config, part) for part in parts)
    for part in parts:
        without = parse("dqn", ["--rainbow", f"--no-{part}", "--out", "x"]).config
        assert [getattr(without, other) for other in parts] == [other != part for other in parts]
    assert without.num_atoms == 51
    assert without.learning_rate == 6.25e-5


def test_presets_are_what_their_sources_say():
    assert PRESETS["fast"] == DQNConfig()
    assert {name for name, config in PRESETS.items() if config.repeat_action_probability} == {
        *("machado", "dopamine", "fast", "cartpole", "minatar", "minatar_fast")
    }
    assert {name for name, config in PRESETS.items() if config.terminal_on_life_loss} == {
        *("nature", "cleanrl", "rainbow")
    }


def test_cleanrls_share_of_exploration_becomes_steps_of_this_run():
    flags = ["--out", "x", "--exploration-fraction", "0.1"]
    assert parse("dqn", [*flags, "--total-steps", "5000"]).config.exploration_steps == 500
    assert parse("dqn", [*flags, "--preset", "cleanrl"]).config == PRESETS["cleanrl"]
    assert parse("dqn", ["--preset", "nature", *flags]).config.exploration_steps == 5_000_000


def test_cleanrls_tau_is_polyak_and_its_default_a_copy():
    assert parse("dqn", ["--out", "x", "--tau", "1.0"]).config == DQNConfig()
    assert parse("dqn", ["--out", "x", "--tau=.1"]).config == DQNConfig(polyak=0.1)


def test_what_a_user_should_know_is_said_before_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    flags = ["--env", "CartPole-v1", "--hidden-sizes", "8", "--total-steps", "60"]
    slow = ["--precision", "bfloat16", "--learning-starts", "50"]
    assert main(["train", "dqn", "--out", str(tmp_path / "slow"), *flags, *slow]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("slow: bfloat16 is emulated on this processor (AVX2, no AVX-512)")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert main(["train", "dqn", "--out", str(tmp_path / "idle"), *flags]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert "nothing will be learnt: the first update comes after 10,000 agent steps" in first
    assert not any("emulated" in line for line in rest)


def test_a_run_needs_a_folder(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "dqn"])
    assert stop.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_the_help_shows_choices_and_an_unknown_preset_has_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "dqn", "--out", "x", "--preset", "natuer"])
    assert stop.value.code == 2
    assert "dopamine" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["train", "dqn", "-h"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for choice in ("inverse_double_q", "nature_rmsprop", "huber", "machado"):
        assert choice in text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--double", "--no-use-target-network"], "needs a target network"),
        (["--bootstrap", "q", "--polyak", "0.1"], "no target network to move"),
        (["--n-atoms", "21"], "Add distributional, or leave num_atoms out"),
        (["--env", "CartPole-v1", "--noop-max", "3"], "only Atari games open with no-ops"),
        (
            ["--env", "CartPole-v1", "--max-episode-frames", "90"],
            "only Atari and MinAtar games have sticky",
        ),
        (["--env", "Pong", "--hidden-sizes", "64"], "only the MLP"),
        (["--preset", "nature", "--n-atoms", "21"], "Add distributional"),
        (["--rainbow", "--preset", "nature"], "there can be one preset"),
        (["--rainbow", "--epsilon-end", "0.5"], "noisy weights explore in place of ε"),
        (["--n-step", "0"], "n_step must be an integer"),
        (["--env", "Pendulum-v1"], "discrete actions"),
        (["--env", "CartPole-v1", "--every", "0"], "every must be"),
        (["--env", "CartPole-v1", "--max-overhead", "nan"], "max_overhead must lie in"),
        (["--num-envs", "9", "--buffer-size", "17"], "buffer_size must be at least 18"),
        (["--exploration-fraction", "2"], "exploration_fraction must lie in [0, 1]"),
        (["--exploration-fraction", ".1", "--exploration-steps", "9"], "say the same thing"),
        (["--tau", "0.1", "--target-network-frequency", "5"], "Drop polyak"),
        (["--capture-video"], "qdiverge evaluate RUN --video"),
    ],
)
def test_meaningless_combinations_are_one_line_with_status_2(flags, message, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "dqn", "--out", str(out), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_watched_run_of_everything_on_cartpole(tmp_path):
    out = tmp_path / "run"
    parts = ["--dueling", "--layer-norm", "--prioritized", "--double", "--polyak", "0.01"]
    short = ["--total-steps", "1400", "--every", "20", "--max-overhead", "10"]
    assert main(["train", "dqn", "--out", str(out), "--preset", "cartpole", *parts, *short]) == 0
    run = load_run(out)
    assert run.info["status"] == "finished"
    assert run.info["config"]["n_step"] == 3
    assert run.series["diverge/fraction_holding"].values.size > 0
    assert run.series["charts/episodic_return"].values.size > 10


@pytest.mark.parametrize("task", ["MinAtar/Breakout-v1", "FrozenLake-v1"])
def test_a_watched_run_on_observations_of_booleans(task, tmp_path):
    """Every diagnostic, the dearest included, reads grids and one-hot states."""
    out = tmp_path / "run"
    flags = ["--env", task, "--preset", "minatar", "--total-steps", "260", "--every", "10"]
    more = ["--learning-starts", "100", "--max-overhead", "10", "--cost", "full"]
    assert main(["train", "dqn", "--out", str(out), *flags, *more]) == 0
    run = load_run(out)
    assert run.info["status"] == "finished"
    assert run.info["config"]["environment"] == task
    assert run.series["diverge/q_abs_max"].values.size >= 16  # every tenth of 160 updates
    assert (out / "report.html").stat().st_size > 10_000


def test_watching_a_distribution_changes_no_bit_and_reads_its_mean(tmp_path):
    settings = {"environment": "CartPole-v1", "total_steps": 400, "learning_starts": 100}
    settings |= {"value_min": 0.0, "value_max": 50.0, "hidden_sizes": (32,), "num_envs": 2}
    config = PRESETS["rainbow"].adapted("task", **settings, buffer_size=400)
    train_watched(config, tmp_path / "run", Watching(every=5, cost="full", max_overhead=None))
    watched = load_agent(tmp_path / "run").agent.q_network
    alone = Trainer(config)
    assert len(list(alone.run())) > 1
    pairs = zip(watched.state_dict().items(), alone.q_network.state_dict().items(), strict=True)
    for (name, there), (_, here) in pairs:
        assert torch.equal(there, here), name
    run = load_run(tmp_path / "run")
    assert run.info["monitor"]["loss"] == "half_squared"
    values = run.series["diverge/q_max"].values
    assert values.size > 10
    assert ((values > 0.0) & (values < 50.0)).all()
    assert run.series["diverge/td_error_abs_mean"].values.size > 10
