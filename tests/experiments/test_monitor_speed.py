"""The benchmark of the monitor's cost: its accounts, and short runs of its loops."""

import time

import pytest

from experiments.speed import endless, monitor, watched
from experiments.speed.rounds import Times
from qdiverge.integrations import sb3

pytest.importorskip("stable_baselines3")


def test_a_row_is_what_a_loop_takes_beyond_the_unwatched_one():
    base, mine = Times([1.0, 1.0], [2.0, 2.0]), Times([1.5, 1.5], [2.0, 2.2])
    found = monitor.row(mine, base)
    assert found["extra"] == 0.05
    assert found["standard_error"] == pytest.approx(0.05)  # rounds of 0 % and of 10 %
    assert found["extra_wall"] == 0.5


def test_a_paused_model_is_watched_and_its_calls_are_timed(tmp_path):
    loop = watched.SB3Loop(
        watched.sb3_dqn(),
        sb3.Callback(out=tmp_path / "run", cost="light", every=5, foresight=False),
    )  # a look ahead is paid for by the whole run, of which this is the beginning
    loop.advance(120)  # learning begins after 100
    inside = watched.Inside(loop.monitor)
    before = time.process_time()
    loop.advance(80)
    spent = time.process_time() - before
    assert loop.step == 200
    assert loop.monitor.num_updates == loop.model._n_updates == 25
    assert 0 < inside.watch.seconds() < spent
    found = monitor.account(inside.watch.seconds(), Times(cpu=[spent]), loop.monitor)
    assert 0 < found["inside"] < 10
    inside.close()
    loop.close()
    assert not loop.model.policy.optimizer._optimizer_step_post_hooks


def test_a_run_is_looked_at_on_its_way(tmp_path, monkeypatch):
    monkeypatch.setattr(endless, "MARKS", (100, 300))
    rows = endless.run(300, tmp_path / "run")
    assert [row["updates"] for row in rows] == [100, 300]
    assert rows[0]["events_bytes"] < rows[1]["events_bytes"]
    assert rows[0]["resident_bytes"] > 1e7
