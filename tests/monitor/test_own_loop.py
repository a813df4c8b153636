"""A loop of one's own, as CleanRL writes it, is copied whole: environment, replay, generators."""

import copy
from collections import deque

import gymnasium
import gymnasium.vector
import numpy as np
import pytest
import torch
from gymnasium import wrappers
from torch import nn
from torch.nn import functional

import qdiverge as qd
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.foresight.own_loop import LoopAhead

if not hasattr(gymnasium.vector, "AutoresetMode"):
    pytest.skip("its vector loops need Gymnasium 1.1", allow_module_level=True)

STARTS, LENGTH = 60, 160


class CleanLoop:
    """DQN on CartPole: ε-greedy, a deque as replay, all generators there are, a schedule."""

    def __init__(self, is_vector, learning_rate=3e-3, double=False):
        torch.manual_seed(3)
        self.rng, self.is_vector = np.random.default_rng(3), is_vector
        self.envs = self.make(is_vector)
        self.q = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))
        self.target = copy.deepcopy(self.q)
        self.optimizer = torch.optim.Adam(self.q.parameters(), lr=learning_rate)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.995)
        self.replay, self.step = deque(maxlen=500), 0
        self.obs, _ = self.envs.reset(seed=3)

    @staticmethod
    def make(is_vector):
        def one():
            return wrappers.TransformReward(gymnasium.make("CartPole-v1"), float)

        if not is_vector:
            return one()
        mode = gymnasium.vector.AutoresetMode.SAME_STEP
        several = gymnasium.vector.SyncVectorEnv([one, one], autoreset_mode=mode)
        return wrappers.vector.RecordEpisodeStatistics(several)

    def next_batch(self):
        while self.step < LENGTH:
            self.step += 1
            self.act()
            if self.step > STARTS:
                rows = [self.replay[i] for i in torch.randint(len(self.replay), (16,)).tolist()]
                s, a, r, s2, d = map(np.stack, zip(*rows, strict=True))
                return {"obs": s, "actions": a, "rewards": r.astype(np.float32), "next_obs": s2,
                        "dones": d}  # fmt: skip
        return None

    def act(self):
        with torch.no_grad():
            best = self.q(torch.as_tensor(self.obs, dtype=torch.float32)).argmax(-1).numpy()
        random = self.rng.integers(2, size=best.shape)
        actions = np.where(self.rng.random(best.shape) < 0.1, random, best)
        if self.is_vector:
            obs, r, ended, cut, info = self.envs.step(actions)
            following = obs.copy()
            for i in np.flatnonzero(ended | cut):
                following[i] = info["final_obs"][i]
            self.replay.extend(zip(self.obs, actions, r, following, ended, strict=True))
        else:
            obs, r, ended, cut, _ = self.envs.step(int(actions))
            self.replay.append((self.obs, actions, np.float32(r), obs, ended))
            if ended or cut:
                obs, _ = self.envs.reset()
        self.obs = obs

    def learn(self, batch):
        s, a, r, s2, d = (torch.as_tensor(x) for x in batch.values())
        with torch.no_grad():
            y = r + 0.9 * self.target(s2).amax(1) * ~d
        self.optimizer.zero_grad()
        functional.mse_loss(self.q(s).gather(1, a[:, None])[:, 0], y).backward()
        self.optimizer.step()
        self.schedule.step()
        if self.step % 5 == 0:
            self.target.load_state_dict(self.q.state_dict())


def watch(loop, out, **foresight):
    return qd.attach(
        loop.q, optimizer=loop.optimizer, target=loop.target, discount=0.9, out=out, loss="squared",
        max_overhead=None, reward_bound=50.0, foresight={"live": loop, **foresight},
    )  # fmt: skip


def drive(loop, monitor=None, probe=None):
    """Run a loop to its end; return max|Q| before each update and at the end."""
    sizes, probe = [], probe or []
    look = copy.deepcopy(loop.q)

    def size():
        look.load_state_dict(loop.q.state_dict())
        with torch.no_grad():
            return float(look.eval()(torch.as_tensor(probe[0])).abs().max())

    while (batch := loop.next_batch()) is not None:
        probe = probe or [batch["obs"]]
        sizes.append(size())
        loop.learn(batch if monitor is None else monitor.batch(batch))
    return [*sizes, size()]


@pytest.mark.parametrize("is_vector", [False, True])
def test_a_copy_of_a_loop_is_what_the_loop_becomes(tmp_path, is_vector):
    alone = CleanLoop(is_vector)
    sizes = drive(alone)
    random = torch.get_rng_state()
    loop = CleanLoop(is_vector)
    with watch(loop, tmp_path / "run", num_updates=LENGTH - STARTS) as monitor:
        assert drive(loop, monitor) == sizes
    assert torch.equal(torch.get_rng_state(), random)
    assert monitor.foresight.why_not_live == ""
    latest = monitor.foresight.latest
    assert (latest.update, latest.evidence) == (0, "live")
    expected = [sizes[int(k)] for k in latest.own["updates"]]
    assert latest.own["median"] == expected
    assert len(expected) > 40


def test_a_loop_that_holds_what_cannot_be_copied_says_so(tmp_path):
    loop = CleanLoop(False)
    vars(loop)["writer"] = (line for line in ())
    with watch(loop, tmp_path / "run", num_updates=LENGTH - STARTS) as monitor:
        drive(loop, monitor)
    assert "cannot pickle 'generator'" in monitor.foresight.why_not_live
    vars(loop)["frames"] = np.zeros((2**28 + 1,), dtype=np.uint8)
    with pytest.raises(InvalidValueError, match="to be copied"):
        LoopAhead(loop, None)


def test_an_environment_alone_is_not_enough(tmp_path):
    loop = CleanLoop(False)
    with pytest.raises(InvalidValueError, match=r"next_batch\(\) and learn\(batch\)"):
        watch(loop, tmp_path / "run", make_env=CleanLoop.make)
