"""The benchmark of whole training loops: its accounts, and one short run from end to end."""

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest

from experiments.speed import loops, trainer, trainer_table
from experiments.speed.resident import resident_bytes
from experiments.speed.rounds import Times

SMALL = replace(loops.SETTINGS, buffer_size=1_000, learning_starts=16)


def test_a_row_compares_turn_by_turn():
    ours = Times(wall=[1.0, 2.0, 4.0, 1.0], cpu=[1.0, 2.0, 4.0, 1.0])
    mine = Times(wall=[3.0, 4.0, 8.0, 2.0], cpu=[2.0, 2.0, 4.0, 2.0])
    found = trainer_table.row(mine, ours, turn=100)
    assert found["wall"]["times_ours"] == 2.0
    assert found["wall"]["times_ours_in_all"] == pytest.approx(17 / 8, abs=1e-3)
    assert found["cpu"]["times_ours"] == 1.5  # of 2, 1, 1, 2
    assert found["cpu"]["ms_per_step"] == 20.0


def test_a_stopwatch_counts_only_what_is_inside():
    watch = loops.Stopwatch()
    with watch:
        inside = watch.seconds()
    total = watch.seconds()
    assert 0 <= inside <= total == watch.seconds()


def test_a_filled_replay_takes_the_memory_that_is_promised():
    found = resident_bytes(4_000)
    assert found["promised"] <= found["resident"] <= found["promised"] + 8e6


def test_a_run_from_end_to_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loops, "SETTINGS", SMALL)
    monkeypatch.setattr(loops.Contender, "missing", property(lambda row: list(row.needs)))
    flags = ["--rounds", "1", "--turn", "8", "--no-memory", "--loops", "monitor", "sb3"]
    assert trainer.main([*flags, "--out", str(tmp_path)]) == 0
    table = json.loads((tmp_path / "trainer.json").read_text())
    assert table["rows"]["SB3's DQN"]["status"].startswith("not installed: stable_baselines3")
    ours = table["rows"][loops.OURS]
    assert ours["replay_bytes_per_transition"] == 7_063
    assert ours["cpu"]["times_ours"] == 1.0
    assert ours["step"] == 16 + 2 * 8
    assert {"commit", "versions", "hardware"} <= table.keys()
    assert "| qdiverge | " in capsys.readouterr().out


def test_a_watched_loop_pays_for_its_monitor_out_of_its_own_time(tmp_path):
    loop = loops.Ours(SMALL, tmp_path / "run")
    loop.advance(136)  # 30 updates, of which the 25th is measured
    assert loop.step == 136
    assert loop.monitor.num_updates >= 28
    assert 0 < loop.monitor.budget.spent < loop.watch.seconds()
    loop.close()


@pytest.mark.skipif(
    not all(find_spec(name) for name in ("cv2", "stable_baselines3")), reason="peers not installed"
)
@pytest.mark.parametrize("name", list(loops.PEERS))
def test_the_peers_learn(name, tmp_path):
    (peer,) = (c for c in loops.contenders(SMALL, tmp_path) if c.name == name)
    loop = peer.make()
    loop.advance(32)
    assert loop.step == 32
    assert 56_448 < loop.replay_bytes() / 1_000 < 56_500
    loop.close()
