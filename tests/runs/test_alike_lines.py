"""Blocks of alike lines: whichever way a block is read, the same numbers come, or none."""

import random

import numpy as np
import pytest

from qdiverge.runs import RunLog, load_run
from qdiverge.runs.alike_lines import MOST_FORMS, AlikeLines
from qdiverge.runs.event_lines import BAD, sealed


def line(step, **values):
    return sealed({"kind": "metrics", "step": step, **values, "time": 0.5}) + b"\n"


def ways(folder, monkeypatch):
    """Return a run as it is read, and as it is read without the fast way."""
    fast = load_run(folder)
    with monkeypatch.context() as patch:
        patch.setattr(AlikeLines, "tables", lambda *_: (_ for _ in ()).throw(ValueError))
        return fast, load_run(folder)


def same(one, other):
    assert one.series.keys() == other.series.keys()
    for name, series in one.series.items():
        np.testing.assert_array_equal(series.steps, other.series[name].steps)
        np.testing.assert_array_equal(series.values, other.series[name].values)
    assert (one.damage, one.alarms, one.syncs) == (other.damage, other.alarms, other.syncs)


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_read_the_same(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    names = [f"m{number}" for number in range(6)]
    values = [1.5, 3, float("nan"), float("-inf"), 10**300, -0.0]
    with RunLog(tmp_path / "run", {}) as log:
        for step in range(4_000):
            some = names if rng.random() < 0.9 else rng.sample(names, rng.randint(1, 6))
            log.metrics(step, {name: rng.choice(values[: 2 if seed < 10 else 6]) for name in some})
            if rng.random() < 0.001:
                log.target_sync(step, step)
    same(*ways(tmp_path / "run", monkeypatch))


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_found_either_way(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    with RunLog(tmp_path / "run", {}) as log:
        for step in range(3_000):
            log.metrics(step, {"a": step / 7, "b": 2.0})
    path = tmp_path / "run" / "events.jsonl"
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 5)):
        content[rng.randrange(len(content) - 2)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    fast, slow = ways(tmp_path / "run", monkeypatch)
    same(fast, slow)
    assert fast.damage
    steps = fast.series["a"].steps
    np.testing.assert_array_equal(fast.series["a"].values, steps / 7)  # none of them is false


@pytest.mark.parametrize(
    "lines",
    [
        line(1, a=1.0) + line(2, a=1.0, b=2.0),  # of two forms with a metric in common
        line(1, a=1.0) + line(2, a=1.0).replace(b"1.0", b"1.5"),  # another CRC-32
        line(1, a=1.0) + line(1 << 54, a=1.0),  # no step
        line(1, a=1.0) + b"\n",
        line(1, a=1.0) + b'{"kind":"metrics","step":5,"a":1.0,"time":0.5}\n',  # no seal
        line(1, a=1.0) + sealed({"kind": "sync", "step": 5, "update": 1, "time": 0.5}) + b"\n",
        line(1, a=1.0) + line(2, a=1.0).replace(b'"a":1.0', b'"a":1.0,"a":2.0'),
        line(1, a=1.0) + line(2, a=1.0).replace(b'"a":1.0', b'"a":{"b":1.0}'),
        line(1, a=1.0) + line(2, a=1.0).replace(b'"a":1.0', b'"a":true'),
    ],
)
def test_other_blocks_are_refused_as_a_whole(lines):
    with pytest.raises(BAD):
        AlikeLines().tables(lines)


def test_a_log_of_ever_new_names_makes_no_more_forms_than_so_many():
    alike = AlikeLines()
    for number in range(MOST_FORMS):
        alike.tables(line(number, **{f"m{k}": 1.0 for k in range(number)}))
    with pytest.raises(ValueError, match="too many"):
        alike.tables(line(5, **{f"m{k}": 1.0 for k in range(MOST_FORMS)}))
