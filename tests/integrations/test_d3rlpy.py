"""d3rlpy as installed: a watched algorithm is the algorithm nobody watched."""

import random
import warnings

import numpy as np
import pytest
import torch

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.runs import load_run
from tests.integrations.same import LAST, assert_same, random_states

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("default"),  # what a framework warns of is its own affair
]
pytest.importorskip("d3rlpy")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import d3rlpy as theirs
    from d3rlpy.logging import NoopAdapterFactory

from qdiverge.integrations import d3rlpy  # noqa: E402
from qdiverge.integrations.d3rlpy_batches import DISCRETE  # noqa: E402

NUM_UPDATES, DISCOUNT = 60, 0.9
EVERYTHING = {"every": 10, "max_overhead": None, "probe_size": 16, "audit_period": 10}


def dataset(is_discrete, num_episodes=6, length=40):
    """Random play of a random task."""
    rng = np.random.default_rng(0)
    size = num_episodes * length
    observations = rng.normal(size=(size, 3)).astype(np.float32)
    actions = rng.integers(2, size=(size, 1))
    if not is_discrete:
        actions = rng.uniform(-1, 1, size=(size, 1)).astype(np.float32)
    rewards = rng.uniform(-1, 1, size=(size, 1)).astype(np.float32)
    ends = np.arange(size) % length == length - 1
    return theirs.dataset.MDPDataset(observations, actions, rewards, ends.astype(float))


class Training:
    """An algorithm and its dataset."""

    def __init__(self, name, **options):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        is_discrete = name in DISCRETE
        self.dataset = dataset(is_discrete)
        encoder = theirs.models.VectorEncoderFactory([16])
        settings = {"batch_size": 16, "gamma": DISCOUNT}
        if is_discrete:
            settings |= {"encoder_factory": encoder, "target_update_interval": 10}
        else:
            settings |= {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
        config = getattr(theirs.algos, f"{name}Config")(**settings | options)
        self.algo = config.create(device="cpu:0")

    def fit(self):
        self.algo.fit(
            self.dataset,
            n_steps=NUM_UPDATES,
            n_steps_per_epoch=NUM_UPDATES,
            show_progress=False,
            logger_adapter=NoopAdapterFactory(),
        )

    def state(self):
        """Weights, optimisers and every random state."""
        modules = vars(self.algo.impl.modules).values()
        return [m.state_dict() for m in modules if hasattr(m, "state_dict")] + [
            optimizer.optim.state_dict() for optimizer in modules if hasattr(optimizer, "optim")
        ], random_states()


@pytest.mark.parametrize("cost", LAST)
@pytest.mark.parametrize("name", ["DQN", "DoubleDQN", "DDPG", "TD3", "SAC"])
def test_a_watched_run_is_the_same_to_the_bit(tmp_path, name, cost):
    alone, own = Training(name), Training(name)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    own.algo.build_with_dataset(own.dataset)
    with d3rlpy.attach(own.algo, own.dataset, out=tmp_path / "x", cost=cost, **EVERYTHING) as seen:
        own.fit()
    watched = own.state()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    alone.algo.build_with_dataset(alone.dataset)
    alone.fit()
    assert_same(watched, alone.state())
    assert seen.num_updates == NUM_UPDATES
    series = load_run(tmp_path / "x").series
    assert f"diverge/{LAST[cost]}" in series
    assert seen.loop_audit.num_audits > 1
    assert seen.loop_audit.num_undecided == 0
    assert not [alarm for alarm in seen.alarms if alarm.kind == "loop"]
    assert seen.foresight.num_forecasts >= 1


@pytest.mark.parametrize("name", ["CQL", "DiscreteCQL", "TD3PlusBC"])
def test_offline_algorithms_are_watched(tmp_path, name):
    alone, own = Training(name), Training(name)
    for training, options in ((own, EVERYTHING), (alone, None)):
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        training.algo.build_with_dataset(training.dataset)
        if options is None:
            training.fit()
            continue
        with d3rlpy.attach(own.algo, own.dataset, out=tmp_path / "x", **options) as monitor:
            training.fit()
        watched = own.state()
    assert_same(watched, alone.state())
    assert load_run(tmp_path / "x").series["diverge/q_abs_max"].values.size
    assert ("conservative" in monitor.rule.not_modelled) == name.endswith("CQL")


@pytest.mark.parametrize("name", ["DQN", "SAC"])
def test_the_batch_is_what_the_scalers_made(tmp_path, monkeypatch, name):
    own = Training(
        name,
        observation_scaler=theirs.preprocessing.MinMaxObservationScaler(),
        reward_scaler=theirs.preprocessing.MultiplyRewardScaler(3.0),
    )
    with d3rlpy.attach(own.algo, own.dataset, out=tmp_path / "x", **EVERYTHING) as monitor:
        shown = []
        keep = monitor.batch
        monkeypatch.setattr(monitor, "batch", lambda batch: (shown.append(batch), keep(batch))[1])
        own.fit()
    assert len(shown) == NUM_UPDATES
    assert all(batch["observations"].abs().max() <= 1.0 for batch in shown)
    assert 1.0 < max(batch["rewards"].abs().max() for batch in shown) <= 3.0
    assert monitor.loop_audit.num_audits > 1
    assert not [alarm for alarm in monitor.alarms if alarm.kind == "loop"]


def test_what_cannot_be_watched_is_refused(tmp_path):
    bc = theirs.algos.BCConfig().create(device="cpu:0")
    with (
        pytest.raises(InvalidTypeError, match="d3rlpy's DQN"),
        d3rlpy.attach(bc, dataset(False), out=tmp_path / "x"),
    ):
        pass
    many = Training("DQN", n_critics=2)
    with (
        pytest.raises(InvalidValueError, match="one Q-function"),
        d3rlpy.attach(many.algo, many.dataset, out=tmp_path / "y"),
    ):
        pass
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "y").exists()
