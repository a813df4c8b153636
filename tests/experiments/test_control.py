"""The study of continuous control: the committed table is whole, and its cells run."""

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.control.agents import METHODS, PEERS, config_of
from experiments.control.sweep import run
from experiments.tables import read, results_of
from qdiverge.agents.settings.continuous_config import DDPGConfig


def test_every_method_is_in_the_committed_table():
    rows = read("control").rows.values()
    of_pendulum = [row for row in rows if row["config"]["environment"] == "Pendulum-v1"]
    assert {row["config"]["method"] for row in of_pendulum} == {*METHODS, *PEERS}
    for row in rows:
        found = row["row"]
        assert len(found["greedy"]) == 10
        assert len(found["episode_steps"]) == len(found["returns"])
        assert found["length"] == row["config"]["steps"]
        assert (len(found["alignments"]) > 30) == (row["config"]["method"] in METHODS)


def test_the_methods_differ_in_nothing_but_the_method():
    settings = {name: config_of(name, "Pendulum-v1", 1, 500) for name in METHODS}
    for name in ("hidden_sizes", "batch_size", "discount", "learning_starts", "total_steps"):
        assert len({getattr(config, name) for config in settings.values()}) == 1
    ddpg, preqn = settings["ddpg"], settings["preqn"]
    assert isinstance(ddpg, DDPGConfig)
    assert isinstance(preqn, DDPGConfig)
    assert (preqn.update, ddpg.update) == ("preqn", "gradient")
    assert preqn.actor_learning_rate == ddpg.actor_learning_rate
    assert config_of("sb3-sac", "Pendulum-v1", 1, 500) == settings["sac"]


@pytest.mark.parametrize("method", ["preqn", "sb3-td3"])
def test_a_cell_runs_and_says_what_the_table_needs(method, tmp_path):
    row = run({"environment": "Pendulum-v1", "method": method, "seed": 1, "steps": 560}, tmp_path)
    assert row["episode_steps"] == [200, 400]
    assert (row["end"], row["length"]) == ("total_steps", 560)
    assert all(-2_000 < score < 0 for score in row["greedy"] + row["returns"])
    assert len(row["alignments"]) == (60 if method == "preqn" else 0)
    if method == "preqn":  # what is not accepted does not move, and is aligned with nothing
        moved = [value for value in row["alignments"] if not np.isnan(value)]
        assert min(moved) >= 0.97 - 1e-3  # asked of float32, seen through it, to four digits
        assert row["accepted"] == pytest.approx(len(moved) / 60)
        assert row["accepted"] > 0.9  # measured 1.0 in each of 30 seeds


def test_the_table_names_what_was_not_run(capsys, tmp_path):
    header, *lines = results_of("control").read_text().splitlines()
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join([header, *[line for line in lines if "Ant-v5" not in line]]) + "\n")
    assert main(["control", "--table", str(short)]) == 0
    shown = capsys.readouterr().out
    assert "Ant-v5: not run" in shown
    assert "72 of the 80 cells" in shown
