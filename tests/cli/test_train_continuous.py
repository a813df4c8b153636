"""The commands on runs with continuous actions."""

import json

import pytest

from qdiverge.agents.saved_agent import load_agent
from qdiverge.cli import main
from qdiverge.cli.training import parse
from qdiverge.runs import load_run

SHORT = [
    *("--preset", "fast", "--total-steps", "300", "--learning-starts", "100", "--batch-size", "16"),
    *("--hidden-sizes", "16", "--checkpoint-period", "100", "--every", "20"),
    *("--max-overhead", "None", "--epoch-period", "150"),
]


def test_every_command_on_a_run_of_sac(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "sac", "--out", str(out), *SHORT, "--evaluation-episodes", "1"]) == 0
    run = load_run(out)
    assert run.info["config"]["algorithm"] == "sac"
    for name in ("losses/td_loss", "losses/actor_loss", "losses/alpha", "diverge/alignment"):
        assert len(run.series[name].values) >= 4
    for name in ("diverge/q_abs_max", "charts/held_out_q", "charts/evaluation_return"):
        assert name in run.series
    assert "charts/epsilon" not in run.series
    assert main(["resume", str(out), "--total-steps", "340"]) == 0
    assert load_agent(out).step == 340
    assert main(["evaluate", str(out), "--episodes", "2", "--random"]) == 0
    (result,) = (out / "evaluations").glob("task-340.json")
    assert json.loads(result.read_text())["score"]["num_episodes"] == 2
    assert main(["diagnose", str(out), "--transitions", "12"]) == 0
    assert json.loads((out / "diagnosis.json").read_text())["step"] == 340
    assert main(["inspect", str(out), "--transitions", "12"]) == 0
    for command in ("report", "watch", "export"):
        assert main([command, str(out)]) == 0
    assert (out / "metrics.csv").exists()
    assert "sac" in (out / "report.html").read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("agent", "flags"),
    [("ddpg", ["--update", "preqn"]), ("td3", []), ("qlearning", ["--maximiser", "gradient"])],
)
def test_the_other_agents_train_and_are_diagnosed(agent, flags, tmp_path):
    out = tmp_path / "run"
    assert main(["train", agent, "--out", str(out), *SHORT, "--total-steps", "160", *flags]) == 0
    run = load_run(out)
    assert ("preqn/alignment" in run.series) == (agent == "ddpg")
    assert ("losses/actor_loss" in run.series) == (agent != "qlearning")
    assert main(["diagnose", str(out), "--transitions", "8"]) == 0


def test_flags_override_presets_and_cleanrls_names_are_known():
    flags = ["--out", "x", "--preset", "paper", "--tau", "0.01", "--env-id", "Hopper-v5"]
    config = parse("td3", [*flags, "--policy-frequency=3", "--gamma", "0.9"]).config
    assert (config.polyak, config.environment, config.policy_period) == (0.01, "Hopper-v5", 3)
    assert (config.discount, config.hidden_sizes) == (0.9, (400, 300))
    config = parse("sac", ["--out", "x", "--q-lr", "0.1", "--policy-lr", "0.2"]).config
    assert (config.learning_rate, config.actor_learning_rate) == (0.1, 0.2)
    config = parse("sac", ["--out=x", "--no-autotune", "--alpha", "0.2"]).config
    assert (config.tune_temperature, config.temperature) == (False, 0.2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["td3", "--env", "CartPole-v1"], "qdiverge train dqn"),
        (["ddpg", "--update", "preqn", "--tau", "0.1"], "PreQN needs no target network"),
        (["qlearning", "--cem-elites", "100"], "at most cem_samples"),
        (["a3c"], "an agent was expected"),
    ],
)
def test_what_makes_no_sense_is_one_line_with_status_2(arguments, says, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_help_names_every_agent(capsys):
    assert main(["train", "-h"]) == 0
    shown = capsys.readouterr().out
    for agent in ("dqn", "ddpg", "td3", "sac", "qlearning"):
        assert f"  {agent} " in shown
