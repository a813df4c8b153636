"""Where nothing is due the monitor does nothing, and misses nothing by it."""

import copy
import json

import pytest
import torch
from torch import nn

from qdiverge import attach
from qdiverge.monitor.calm import Calm
from qdiverge.monitor.looking import Looking
from qdiverge.monitor.target_watch import TargetWatch

NUM_UPDATES = 700


def events(folder, is_closure):
    """Train with a target copied every 40 updates; return what the monitor wrote of it."""
    torch.manual_seed(0)
    q_net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
    target = copy.deepcopy(q_net)
    optimizer = torch.optim.Adam(q_net.parameters(), 1e-3)
    s, s_next = torch.randn(2, 64, 3)
    actions, rewards, ends = torch.randint(2, (64,)), torch.randn(64), torch.rand(64) < 0.1
    options = {"target": target, "optimizer": optimizer, "discount": 0.9, "loss": "squared"}
    monitor = attach(q_net, out=folder, every=25, max_overhead=None, **options)
    with monitor:
        for update in range(NUM_UPDATES):
            rows = torch.randint(64, (16,))
            data = {"obs": s[rows], "actions": actions[rows], "rewards": rewards[rows]}
            data = monitor.batch(data | {"next_obs": s_next[rows], "dones": ends[rows]})

            def loss(data=data):
                with torch.no_grad():
                    ahead = target(data["next_obs"]).amax(1)
                    y = data["rewards"] + 0.9 * (1 - data["dones"].float()) * ahead
                q = q_net(data["obs"]).gather(1, data["actions"][:, None])[:, 0]
                optimizer.zero_grad()
                (value := ((q - y) ** 2).mean()).backward()
                return value

            if is_closure:
                optimizer.step(loss)
            else:
                loss()
                optimizer.step()
            if update % 40 == 0:
                target.load_state_dict(q_net.state_dict())
        audits = monitor.state()["audit"]  # the update of the next one among them
    lines = (folder / "events.jsonl").read_text().splitlines()
    info = json.loads((folder / "run.json").read_text())
    told = {name: info[name] for name in ("audit", "target_rule", "update_rule", "foresight")}
    return (
        [{k: v for k, v in json.loads(x).items() if k not in ("time", "crc32")} for x in lines],
        told,
        audits,
    )


@pytest.mark.parametrize("is_closure", [False, True])
def test_a_monitor_that_looks_at_every_update_says_the_same(is_closure, tmp_path, monkeypatch):
    looks = []
    look = Looking.look
    monkeypatch.setattr(
        Looking, "look", lambda self: (looks.append(self._progress.num_updates), look(self))
    )
    calm = events(tmp_path / "calm", is_closure)
    assert len(looks) < NUM_UPDATES * 0.7
    looks.clear()
    monkeypatch.setattr(Calm, "next_due", lambda self: self._progress.num_updates + 1)
    monkeypatch.setattr(TargetWatch, "_after", lambda self, update: update + 1)
    assert events(tmp_path / "busy", is_closure) == calm
    assert looks == list(range(1, NUM_UPDATES + 1))


def test_a_target_is_looked_at_around_its_copies_and_seldom_else():
    online, target = nn.Linear(2, 2), nn.Linear(2, 2)
    watch, looks, moves = TargetWatch(target, 1, online), [], {}
    for update in range(1, 600):
        with torch.no_grad():
            online.weight.add_(0.1)
        if update >= watch.next_look:
            looks.append(update)
            if seen := watch.moves(update):
                moves[update] = seen
        if update % 100 == 0 and update < 400:
            target.load_state_dict(online.state_dict())
        if update == 433:
            target.load_state_dict(online.state_dict())
    assert list(moves)[:3] == [101, 201, 301]
    assert 433 < list(moves)[3] < 433 + 17  # out of turn
    assert len([n for n in looks if 301 < n <= 400]) < 10
    assert watch.rule.fields == {}
    assert "by no one period" in watch.rule.why_not


def test_a_clock_that_fails_ends_no_run_and_is_asked_again(tmp_path):
    """A closure over a variable that is set only later, as loops have it."""
    steps = {}
    network = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with attach(
        network, optimizer=optimizer, discount=0.9, clock=lambda: steps["now"], out=tmp_path / "r"
    ) as monitor:
        with pytest.warns(UserWarning, match="clock failed at update 0 .KeyError: 'now'."):
            assert monitor.step == 0
        optimizer.step()
        assert monitor.step == 1
        steps["now"] = 400
        assert monitor.step == 400
