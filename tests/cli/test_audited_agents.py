"""Our own agents are audited while they learn, and no finding is made of them."""

from contextlib import closing

import pytest

from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.continuous_config import DDPGConfig, SACConfig, TD3Config
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.cli.subjects import subject
from qdiverge.monitor import attach

COMMON = {"learning_starts": 60, "train_period": 1, "buffer_size": 1000, "hidden_sizes": (32, 32)}
DISCRETE = COMMON | {"environment": "CartPole-v1", "total_steps": 180, "batch_size": 32}
CONTINUOUS = COMMON | {"environment": "Pendulum-v1", "total_steps": 140, "batch_size": 32}
PERIODIC = {"target_period": 20, "learning_rate": 1e-3}
SWITCHES = {
    "plain": PERIODIC,
    "double": PERIODIC | {"double": True},
    "dueling": PERIODIC | {"dueling": True},
    "prioritized": PERIODIC | {"prioritized": True},
    "three steps": PERIODIC | {"n_step": 3},
    "squared": PERIODIC | {"loss": "mse"},
    "inverse double": PERIODIC | {"bootstrap": "inverse_double_q"},
    "layer norm": PERIODIC | {"layer_norm": True},
    "averaged": {"polyak": 0.01},
    "no target": {"use_target_network": False},
    "together": PERIODIC
    | {"double": True, "dueling": True, "prioritized": True, "n_step": 3, "optimizer": "rmsprop"},
}
BY_NAME = {
    "noisy": (PERIODIC | {"noisy": True}, "noisy weights: an update has one draw"),
    "distributional": (PERIODIC | {"distributional": True}, "Q lies inside C51's support"),
    "preqn": ({"update": "preqn"}, "there is no gradient in .grad"),
}
CRITICS = {"ddpg": DDPGConfig, "td3": TD3Config, "sac": SACConfig}


def watched(config, out):
    with closing(Trainer(config)) as trainer:
        monitor = attach(
            **subject(trainer.agent, config), optimizer=trainer.optimizer, out=out, every=50,
            audit_period=10, max_overhead=None, cost="light",
        )  # fmt: skip
        with monitor:
            trainer.transform_batch = monitor.batch
            for _ in trainer.run():
                pass
    return monitor


@pytest.mark.parametrize("name", [*SWITCHES, *CRITICS])
def test_no_agent_has_a_finding(tmp_path, name):
    if name in SWITCHES:
        config = DQNConfig(**DISCRETE, **SWITCHES[name])
    else:
        config = CRITICS[name](**CONTINUOUS)
    monitor = watched(config, tmp_path / "run")
    audit = monitor.loop_audit
    assert [alarm for alarm in monitor.alarms if alarm.kind == "loop"] == []
    assert (audit.num_undecided, audit.why_not) == (0, "")
    assert audit.num_audits >= 8
    assert monitor.rule.sources["discount"] == "seen"


@pytest.mark.parametrize("name", BY_NAME)
def test_what_has_no_audit_says_so_by_name(tmp_path, name):
    switches, reason = BY_NAME[name]
    monitor = watched(DQNConfig(**DISCRETE, **switches), tmp_path / "run")
    assert monitor.loop_audit.num_audits == 0
    assert reason in monitor.loop_audit.why_not
