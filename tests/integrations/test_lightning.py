"""PyTorch Lightning as installed: a watched module is the module nobody watched."""

import copy
import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from qdiverge.runs import load_run
from tests.integrations.same import (
    LAST,
    assert_copies_ran_ahead,
    assert_same,
    begin_at_zero,
    random_states,
)

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("default"),  # what a framework warns of is its own affair
]
pytest.importorskip("lightning")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lightning.pytorch import LightningModule, Trainer

from qdiverge.integrations import lightning  # noqa: E402

NUM_UPDATES = 60
EVERYTHING = {"every": 5, "max_overhead": None, "probe_size": 16, "probe_refresh_period": 20}
NAMES = ("observations", "actions", "rewards", "terminated", "next_observations")


def named(batch):
    return dict(zip(NAMES, batch, strict=True))


class Learner(LightningModule):
    """DQN on batches that are tuples; the networks stand in a part of the module."""

    num_epochs, lr = 1, 0.01

    def __init__(self, gamma=0.9):
        super().__init__()
        self.save_hyperparameters()
        self.agent = nn.ModuleDict({"online": self.network()})
        self.agent["old"] = copy.deepcopy(self.agent["online"])
        self.breaks_at = None

    def network(self):
        return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))

    def training_step(self, batch, batch_idx):
        if batch_idx == self.breaks_at:
            raise ZeroDivisionError
        s, a, r, d, s2 = batch
        with torch.no_grad():
            goal = r + self.hparams.gamma * (1 - d) * self.agent["old"](s2).amax(1)
        q = self.agent["online"](s).gather(1, a[:, None]).squeeze(1)
        return nn.functional.smooth_l1_loss(q, goal)

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if batch_idx % 10 == 9:
            self.agent["old"].load_state_dict(self.agent["online"].state_dict())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.agent["online"].parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 20)]

    def train_dataloader(self):
        def batches():
            for _ in range(NUM_UPDATES):
                yield (
                    torch.randn(16, 4), torch.randint(3, (16,)), torch.randn(16).clamp(-1, 1),
                    (torch.rand(16) < 0.1).float(), torch.randn(16, 4),
                )  # fmt: skip

        return batches()


def fit(tmp_path, callback=None, breaks_at=None, kind=Learner):
    torch.manual_seed(1)
    learner = kind()
    learner.breaks_at = breaks_at
    trainer = Trainer(
        max_epochs=kind.num_epochs, accelerator="cpu", callbacks=callback, logger=False,
        gradient_clip_val=0.5, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, enable_checkpointing=False,
    )  # fmt: skip
    try:
        trainer.fit(learner)
    finally:
        for optimizer in trainer.optimizers:
            assert not optimizer._optimizer_step_post_hooks
        for module in learner.modules():
            assert not module._forward_hooks
            assert not module._backward_hooks
    trainer.save_checkpoint(tmp_path / "learner.ckpt")
    return learner, trainer


def state_of(learner, trainer):
    return {
        "module": dict(learner.state_dict()),
        "optimizer": trainer.optimizers[0].state_dict(),
        "random": random_states(),
    }


@functools.cache
def plain_state(folder):
    return state_of(*fit(folder))


def make(out, **options):
    return lightning.Callback(
        out, q_network="agent.online", target="agent.old", read=named,
        **EVERYTHING | {"discount": 0.9} | options,
    )  # fmt: skip


class FromZero(Learner):
    """Of values that begin at 0."""

    def network(self):
        network = super().network()
        begin_at_zero(network)
        return network


class OnAReplay(Learner):
    """Of one linear layer, w → 2w many times over, from a shuffled replay; nothing lags."""

    num_epochs, lr = 4, 0.1

    def __init__(self):
        super().__init__()
        self.agent["old"] = self.agent["online"]

    def network(self):
        return nn.Linear(4, 3, bias=False)

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(2)
        s = torch.rand(320, 4, generator=generator)
        rows = (s, torch.randint(3, (320,), generator=generator), torch.ones(320), torch.zeros(320))
        return DataLoader(TensorDataset(*rows, 2 * s), batch_size=16, shuffle=True)


def test_divergence_is_called_from_a_replay_before_it_starts(tmp_path):
    """r_max/(1 − γ) = 10, and s' = 2s: every update on the replay takes the values further out."""
    plain = fit(tmp_path, kind=OnAReplay)
    callback = make(tmp_path / "run", cost="light", every=1, loss="huber")
    learner, trainer = fit(tmp_path, callback, kind=OnAReplay)
    assert_same(state_of(learner, trainer), state_of(*plain))
    assert_copies_ran_ahead(callback.monitor)
    alarms = {alarm.rule: alarm for alarm in callback.monitor.alarms}
    called, passed = alarms["foreseen_divergence"], alarms["soft_divergence"]
    assert called.update == 0  # before any batch was trained on: the replay was drawn from
    assert called.evidence["first"] / 2 < passed.update < 2 * called.evidence["last"]
    options = callback.monitor.foresight.options
    assert (options.is_fixed, options.of_copies["batch_size"]) == (True, 16)
    assert called.evidence["by"] == "fixed data"


@pytest.mark.parametrize("cost", ["light", "standard", "full"])
def test_a_watched_module_is_the_module_nobody_watched(tmp_path, cost):
    callback = make(tmp_path / "run", cost=cost)
    learner, trainer = fit(tmp_path, callback)
    assert_same(state_of(learner, trainer), plain_state(tmp_path))
    assert (callback.monitor.foresight.why_not, callback.monitor.foresight.options.data) == (
        "",
        None,
    )
    run = load_run(tmp_path / "run")
    assert len(run.series[f"diverge/{LAST[cost]}"].steps) == NUM_UPDATES / 5 + 1
    assert np.isfinite(run.series[f"diverge/{LAST[cost]}"].values).all()
    assert [sync.update for sync in run.syncs] == [11, 21, 31, 41, 51]
    assert run.info["status"] == "finished"
    loaded = Learner.load_from_checkpoint(tmp_path / "learner.ckpt")
    assert_same(dict(loaded.state_dict()), dict(learner.state_dict()))


def test_the_rule_is_the_modules_own_and_says_where_each_field_is_from(tmp_path):
    callback = make(tmp_path / "run", audit_period=5)
    learner, trainer = fit(tmp_path, callback)
    rule = callback.monitor.rule
    assert (rule.discount, rule.sources["discount"]) == (learner.hparams.gamma, "seen")
    assert (rule.target_period, rule.sources["target_period"]) == (10, "seen")
    assert (rule.clipping, rule.sources["clipping"]) == (0.5, "seen")
    group = trainer.optimizers[0].param_groups[0]
    assert (rule.learning_rate, rule.momentum) == (group["lr"], group["betas"][0])
    assert (rule.optimizer, rule.sources["optimizer"]) == ("Adam", "optimizer")
    assert (rule.loss, rule.sources["loss"]) == ("huber", "seen")


def test_nothing_is_left_behind_after_an_exception(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, make(tmp_path / "run"), breaks_at=30)
    run = load_run(tmp_path / "run")
    assert run.info["status"] == "interrupted"
    assert run.series["diverge/q_mean"].steps[-1] == 30


def test_an_alarm_stops_the_trainer_by_its_own_way(tmp_path):
    callback = make(
        tmp_path / "run", on_alarm="stop", reward_bound=1e-6, cost="light", foresight=False
    )
    _, trainer = fit(tmp_path, callback, kind=FromZero)
    assert trainer.should_stop
    assert trainer.global_step == 1  # the values are looked at after every update at first
    assert load_run(tmp_path / "run").info["status"] == "alarm"


def test_another_discount_than_the_modules_is_said(tmp_path):
    with pytest.warns(UserWarning, match=r"told discount=0.99, but the run's settings say 0.9"):
        fit(tmp_path, make(tmp_path / "run", discount=0.99))
