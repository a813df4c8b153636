"""``qdiverge diagnose`` on checkpoints and snapshots, of our own runs and of others'."""

import json

import pytest
import torch
from torch import nn

from qdiverge.cli import main
from qdiverge.monitor import attach
from qdiverge.runs import load_run
from tests.monitor.test_monitor import diverge

DIVERGING = [
    *("--env", "CartPole-v1", "--hidden-sizes", "16", "--no-use-target-network"),
    *("--optimizer", "sgd", "--learning-rate", "0.05", "--loss", "mse", "--learning-starts", "100"),
    *("--buffer-size", "1000", "--total-steps", "3000", "--every", "5", "--max-overhead", "10"),
]


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "diverged"
    assert main(["train", "dqn", "--out", str(out), *DIVERGING, "--on-alarm", "snapshot"]) == 3
    return out


def test_a_checkpoint_is_diagnosed_on_experience_of_its_agent(tmp_path, capsys):
    out = tmp_path / "run"
    calm = ["--env", "CartPole-v1", "--hidden-sizes", "16", "--total-steps", "600"]
    more = ["--learning-starts", "100", "--buffer-size", "1000", "--n-step", "3", "--double"]
    assert main(["train", "dqn", "--out", str(out), *calm, *more]) == 0
    assert main(["diagnose", str(out), "--transitions", "32"]) == 0
    printed = capsys.readouterr().out
    assert "run, agent step 600" in printed
    assert "ADVICE" in printed
    found = json.loads((out / "diagnosis.json").read_text())
    assert found["step"] == 600
    assert found["discount"] == pytest.approx(0.99**3)
    assert found["verdict"] in {"certified", "divergent", "undecided"}
    assert (out / "diagnosis.txt").read_text().strip() in printed
    assert main(["diagnose", str(out), "--step", "7"]) == 2
    assert "600" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["td3", "--env", "Pendulum-v1", "--policy-frequency", "3"], "every 3 updates"),
        (["dqn", "--env", "CartPole-v1", "--prioritized"], "draws and weighs rows by priority"),
    ],
)
def test_the_verdict_is_on_the_update_that_the_run_makes(flags, said, tmp_path, capsys):
    small = ["--hidden-sizes", "16", "--learning-starts", "100", "--total-steps", "160"]
    assert main(["train", *flags, "--out", str(tmp_path / "run"), *small]) == 0
    capsys.readouterr()
    assert main(["diagnose", str(tmp_path / "run"), "--transitions", "8"]) == 0
    stability = capsys.readouterr().out.split("STABILITY")[1].split("Row condition")[0]
    assert said in stability


def test_the_snapshot_of_an_alarm_is_diagnosed_on_its_own_batch(diverged, capsys):
    updates = [int(path.name) for path in (diverged / "snapshots").iterdir()]
    alarm = load_run(diverged).alarms[0]
    assert alarm.update + 1 in updates
    assert main(["diagnose", str(diverged), "--snapshot", str(alarm.update + 1)]) == 0
    assert f"before update {alarm.update + 1}" in capsys.readouterr().out
    found = json.loads((diverged / "diagnosis.json").read_text())
    assert alarm.message in found["alarms"]
    assert found["learning_rate"] == 0.05
    assert found["verdict"] != "certified"


def test_the_snapshot_of_an_alarm_is_inspected_by_its_folder(diverged, capsys):
    update = load_run(diverged).alarms[0].update + 1
    assert main(["inspect", str(diverged / "snapshots" / str(update))]) == 0
    page = diverged / f"moment-update-{update}.html"
    assert capsys.readouterr().out.strip() == str(page)
    assert f"before update {update:,}" in page.read_text(encoding="utf-8")
    assert main(["inspect", str(diverged), "--step", "1", "--snapshot", str(update)]) == 2


class Doubling(nn.Linear):
    def __init__(self):
        super().__init__(1, 1, bias=False)


def make_doubling():
    return Doubling()


def test_a_snapshot_of_another_trainer_needs_its_network_named(tmp_path, capsys):
    network = make_doubling()
    with torch.no_grad():
        network.weight.fill_(0.5)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
    options = {"every": 5, "loss": "half_squared", "max_overhead": None, "on_alarm": "snapshot"}
    out = tmp_path / "run"
    with attach(network, optimizer=optimizer, discount=0.99, out=out, **options) as monitor:
        diverge(monitor, network, optimizer, 260)
    assert main(["diagnose", str(out)]) == 2
    assert "--network module:callable" in capsys.readouterr().err
    builder = f"{__name__}:make_doubling"
    assert main(["diagnose", str(out), "--network", builder]) == 0
    assert json.loads((out / "diagnosis.json").read_text())["verdict"] == "divergent"
    for wrong in ("nowhere:at_all", f"{__name__}:json", "torch"):
        assert main(["diagnose", str(out), "--network", wrong]) == 2


def test_a_run_that_kept_nothing_says_how_to(tmp_path, capsys):
    network = make_doubling()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
    attach(network, optimizer=optimizer, out=tmp_path / "run").close()
    assert main(["diagnose", str(tmp_path / "run")]) == 2
    assert 'on_alarm="snapshot"' in capsys.readouterr().err
    assert main(["diagnose", str(tmp_path)]) == 2
    assert main(["diagnose", str(tmp_path / "run"), "--step", "1", "--snapshot", "1"]) == 2
