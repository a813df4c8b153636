"""Our own agents run ahead: copies make the agent's own updates, whatever the algorithm is."""

import copy
import dataclasses
import itertools
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from qdiverge.agents import updates
from qdiverge.agents.discrete.deferred import DeferredUpdates
from qdiverge.agents.going_on import GoingOn
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.algorithms import CONFIGS
from qdiverge.cli import ahead, main
from qdiverge.cli.ahead import as_it_is, draw, foresight_of, take_again, target_rule_of, to_change
from qdiverge.cli.subjects import subject
from qdiverge.cli.training import parse
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.errors import InvalidValueError
from qdiverge.monitor import attach
from qdiverge.rehearsal import rehearse, what_if
from qdiverge.rehearsal.batches import as_batches
from qdiverge.rehearsal.learner import Learner, Original
from qdiverge.runs import load_run

STARTS, NUM_UPDATES = 64, 6
AGENTS = {
    "dqn": (
        "dqn",
        {
            "environment": "CartPole-v1",
            "prioritized": True,
            "n_step": 3,
            "target_period": 4,
            "exploration_steps": 100,
        },
    ),
    "averaged": (
        "dqn",
        {"environment": "CartPole-v1", "polyak": 0.1, "double": True, "exploration_steps": 100},
    ),
    "c51": (
        "dqn",
        {"environment": "CartPole-v1", "distributional": True, "exploration_steps": 100},
    ),
    "preqn": ("dqn", {"environment": "CartPole-v1", "update": "preqn", "exploration_steps": 100}),
    "ddpg": ("ddpg", {"environment": "Pendulum-v1"}),
    "td3": ("td3", {"environment": "Pendulum-v1"}),
    "sac": ("sac", {"environment": "Pendulum-v1"}),
}


def trainer_of(name, num_updates, agents=AGENTS):
    algorithm, settings = agents[name]
    kind: Any = CONFIGS[algorithm]
    config = kind()
    common = {
        "seed": 3, "num_envs": 1, "learning_starts": STARTS, "batch_size": 8, "buffer_size": 500,
        "train_period": 1, "checkpoint_period": None, "total_steps": STARTS + num_updates,
    }  # fmt: skip
    return Trainer(dataclasses.replace(config, **common | settings))


MORE = {
    "noisy": ("dqn", {"environment": "CartPole-v1", "noisy": True}),
    "in turns": (
        "dqn",
        {"environment": "CartPole-v1", "overlap": False, "num_envs": 4, "exploration_steps": 100,
         "train_period": 2, "checkpoint_period": 20},
    ),
    "ahead": (
        "dqn",
        {"environment": "MinAtar/Breakout-v1", "overlap": True, "num_envs": 2,
         "exploration_steps": 100, "checkpoint_period": 20},
    ),
    "rainbow": (
        "dqn",
        {"environment": "CartPole-v1", "distributional": True, "noisy": True, "prioritized": True,
         "n_step": 3, "target_period": 4},
    ),
    "fixed temperature": ("sac", {"environment": "Pendulum-v1", "tune_temperature": False}),
    "mujoco": ("td3", {"environment": "HalfCheetah-v5"}),
}  # fmt: skip


@pytest.mark.parametrize("name", [*AGENTS, *MORE])
def test_a_copy_of_a_trainer_goes_on_as_the_trainer_does(name):
    kept, twins = [], []

    def keep():
        kept.append([p.detach().clone() for p in real.agent.parameters.values()])

    def hear(batch):
        keep()
        if len(kept) == 5:
            twins.append(copy.deepcopy(GoingOn(real, batch)))
        return batch

    real = trainer_of(name, 40, AGENTS | MORE)
    real.transform_batch = hear
    for _ in real.run():
        pass
    keep()
    (twin,) = twins
    for expected in kept[5:]:
        twin.update()
        got = twin.trainer.agent.parameters.values()
        assert all(map(torch.equal, got, expected))
    twin.update()  # at the end it does nothing
    assert all(map(torch.equal, twin.trainer.agent.parameters.values(), kept[-1]))


def test_a_copy_makes_deferred_updates_too_and_is_refused_on_a_gpu(monkeypatch):
    kept, twins = [], []

    def hear(batch):
        kept.append([p.detach().clone() for p in real.agent.parameters.values()])
        if len(kept) == 5:
            twins.append(copy.deepcopy(GoingOn(real, batch)))
        return batch

    with monkeypatch.context() as patch:
        patch.setattr(updates, "deferred_updates", DeferredUpdates)
        real = trainer_of("in turns", 40, MORE)
    real.transform_batch = hear
    for _ in real.run():
        pass
    (twin,) = twins
    for expected in kept[5:]:
        twin.update()
        assert all(map(torch.equal, twin.trainer.agent.parameters.values(), expected))
    monkeypatch.setattr(real.agent, "device", torch.device("cuda", 0))
    with pytest.raises(InvalidValueError, match="on a CPU to be copied"):
        copy.deepcopy(GoingOn(real, None))


def run_to_its_end(real, about, monitor=None):
    """Return max|Q| before each update and at the end, on what copies are watched on."""
    networks = tuple(getattr(real.agent, "critics", None) or [real.agent.q_network])
    sizes, probes = [], []

    def look():
        batch = probes[0].transitions
        actions = batch.actions if batch.actions.is_floating_point() else None
        sizes.append(largest_value(networks, batch.observations, actions, is_quiet=False))

    def hear(batch):
        if not probes:
            data = as_batches(about["data"], None, torch.device("cpu"), torch.float32)
            probes.append(data.probe())
        look()
        return batch if monitor is None else monitor.batch(batch)

    real.transform_batch = hear
    for _ in real.run():
        pass
    look()
    return sizes


@pytest.mark.parametrize("name", ["dqn", "averaged", "td3", "sac"])
def test_a_watched_run_is_judged_by_a_copy_of_it_and_stays_as_it_is(name, tmp_path):
    alone, real = trainer_of(name, 40), trainer_of(name, 40)
    sizes, about = run_to_its_end(alone, foresight_of(alone)), foresight_of(real)
    with attach(
        **subject(real.agent, real.config), optimizer=real.optimizer, out=tmp_path / "run",
        max_overhead=None, foresight=about, rule=target_rule_of(real.agent, real.config),
        reward_bound=100.0,
    ) as monitor:  # fmt: skip
        assert run_to_its_end(real, about, monitor) == sizes
    forecast = monitor.foresight.latest
    assert (forecast.update, forecast.evidence) == (0, "live")
    assert forecast.own["updates"] == list(range(1, 41))
    assert forecast.own["median"] == sizes[1:]
    parameters = zip(alone.agent.parameters.values(), real.agent.parameters.values(), strict=True)
    assert all(torch.equal(a, b) for a, b in parameters)


@pytest.mark.parametrize("name", AGENTS)
def test_a_rehearsal_with_the_runs_own_batches_is_the_run(name):
    batches = []

    def record(batch):
        batches.append(batch)
        return batch

    real = trainer_of(name, NUM_UPDATES)
    real.transform_batch = record
    for _ in real.run():
        pass
    start = trainer_of(name, 0)
    for _ in start.run():
        pass
    assert len(batches) == NUM_UPDATES
    before = [p.clone() for p in start.agent.parameters.values()]
    given = as_it_is(start.agent, start.config)
    made = rehearse(data=batches, **given, num_updates=NUM_UPDATES, num_orders=1, reward_bound=1e9)
    probe = as_batches(batches, None, torch.device("cpu"), torch.float32).probe()
    networks = tuple(getattr(real.agent, "critics", None) or [real.agent.q_network])
    learner = Learner(Original(networks, (), real.optimizer, made.rule))
    assert float(made.q_abs_max[0, -1]) == pytest.approx(learner.size(probe), rel=1e-6)
    after = start.agent.parameters.values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_remedies_of_what_no_rule_describes_are_smaller_steps():
    start = trainer_of("sac", 0)
    for _ in start.run():
        pass
    tried = what_if(
        data=lambda: start.sampler.sample(STARTS), **to_change(start.agent, start.config),
        num_updates=2, num_orders=1,
    )  # fmt: skip
    assert [row.change for row in tried] == ["as it is", "learning rate / 4", "learning rate / 16"]


def test_a_preflight_says_what_helps_and_ends_with_the_status_of_divergence(capsys):
    flags = ["--env", "CartPole-v1", "--learning-starts", "100", "--seed", "1"]
    assert main(["preflight", "dqn", *flags, "--updates", "20"]) == 0
    assert "environment and all, that went on from update 0 comes up to" in capsys.readouterr().out
    wild = ["--no-use-target-network", "--learning-rate", "0.05", "--updates=60"]
    assert main(["preflight", "dqn", *flags, *wild]) == 3
    assert "The mildest change that held in rehearsal" in capsys.readouterr().out


def test_a_preflight_of_what_cannot_be_copied_says_so_and_learns_from_the_replay(
    capsys, monkeypatch
):
    flags = ["--env", "CartPole-v1", "--learning-starts", "100", "--seed", "1"]
    monkeypatch.setattr(ahead, "MOST_BYTES", 1)
    assert main(["preflight", "dqn", *flags, "--updates", "20", "--orders", "1"]) == 0
    said = capsys.readouterr().out
    assert "a replay must have at most 1 bytes to be copied" in said
    assert "20 updates in 1 orders: the values stay within" in said
    wild = ["--no-use-target-network", "--learning-rate", "0.05", "--updates=60"]
    assert main(["preflight", "dqn", *flags, *wild]) == 3
    assert "The mildest change that holds" in capsys.readouterr().out
    assert main(["preflight", "dqn", *flags, "--total-steps", "50"]) == 2
    assert "a run that makes an update" in capsys.readouterr().err


def test_a_preflight_tells_the_update_at_which_the_run_does_it(capsys):
    flags = ["--env", "CartPole-v1", "--learning-starts", "100", "--seed", "1", "--bootstrap", "q",
             "--learning-rate", "0.01", "--train-period", "1"]  # fmt: skip
    assert main(["preflight", "dqn", *flags]) == 3
    (told,) = re.findall("at update ([0-9]+)", capsys.readouterr().out)
    real = Trainer(parse("dqn", [*flags, "--out", "unused"]).config)
    sizes, probes = list[float](), list[torch.Tensor]()

    def hear(batch):
        if not probes:
            data = as_batches(partial(draw, real), None, real.agent.device, torch.float32)
            probes.append(data.probe().transitions.observations)
        sizes.append(largest_value([real.q_network], probes[0], None, is_quiet=False))
        if len(sizes) > int(told):
            real.stop()
        return batch

    real.transform_batch = hear
    for _ in real.run():
        pass
    assert sizes[int(told)] > 125 >= max(sizes[: int(told)])


@pytest.mark.parametrize("arguments", [["pdq"], ["dqn", "--updates", "none"], []])
def test_a_preflight_refuses_what_it_cannot_read(arguments, capsys):
    assert main(["preflight", *arguments]) == 2
    assert "qdiverge:" in capsys.readouterr().err


def test_a_saved_run_is_rehearsed(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--env", "CartPole-v1", "--total-steps", "300", "--learning-starts", "100"]
    assert main(["train", "dqn", *flags, "--out", str(run)]) == 0
    capsys.readouterr()
    options = ["--updates", "10", "--orders", "1", "--transitions", "64", "--what-if"]
    assert main(["rehearse", str(run), *options]) == 0
    out = capsys.readouterr().out
    assert "as it is" in out
    assert (run / "rehearsal.txt").read_text(encoding="utf-8").strip() == out.strip()


def test_a_run_takes_the_learning_rate_that_held_in_rehearsal(tmp_path, capsys):
    flags = [
        *("--env", "CartPole-v1", "--bootstrap", "q", "--learning-rate", "0.004"),
        *("--total-steps", "360", "--learning-starts", "200", "--train-period", "1"),
        *("--buffer-size", "1000", "--seed", "1", "--max-overhead", "None"),
    ]
    ends = {}
    for on_alarm in ("log", "apply"):
        out = tmp_path / on_alarm
        main(["train", "dqn", *flags, "--on-alarm", on_alarm, "--out", str(out)])
        run = load_run(out)
        ends[on_alarm] = float(np.max(run.series["diverge/q_abs_max"].values))
        assert any(alarm.rule == "foreseen_divergence" for alarm in run.alarms)
    bound = run.series["diverge/soft_divergence_bound"].values[0]
    assert ends["apply"] < bound < ends["log"]
    taken = run.info["remedies"]
    assert taken[0]["learning_rate"] < 0.004
    capsys.readouterr()


def test_a_remedy_of_the_targets_period_is_taken_by_the_run_and_its_copies(tmp_path):
    real = trainer_of("dqn", 60)  # a target copied every 4 updates
    about = foresight_of(real, is_to_apply=True)
    assert about["remedies"] == ("learning_rate", "target_period")
    copied, agent = [], real.agent
    with attach(
        **subject(real.agent, real.config), optimizer=real.optimizer, out=tmp_path / "run",
        max_overhead=None, reward_bound=0.01, rule=target_rule_of(real.agent, real.config),
        foresight=about | {"remedies": ("target_period",)},
    ) as monitor:  # fmt: skip

        def hear(batch):
            pairs = zip(
                agent.q_network.parameters(), agent.target_network.parameters(), strict=True
            )
            if all(torch.equal(a, b) for a, b in pairs):
                copied.append(real.num_updates)
            if real.num_updates == 10:
                about["apply"]({"target_period": 20})
                monitor.foresight.took({"target_period": 20})
            return monitor.batch(batch)

        real.transform_batch = hear
        for _ in real.run():
            pass
        assert target_rule_of(real.agent, real.config) == {"target_period": 20}
    assert [n for n in copied if n <= 10] == [0, 4, 8]
    later = [n for n in copied if n > 10]
    assert len(later) >= 2
    assert {b - a for a, b in itertools.pairwise(later)} == {20}
    assert real.config.target_period == 4


def test_a_resumed_run_keeps_the_remedies_that_it_took():
    real = trainer_of("dqn", 10)
    take_again(real, {"step": 70, "update": 3, "target_period": 7})
    assert target_rule_of(real.agent, real.config) == {"target_period": 7}
