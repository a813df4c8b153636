"""The kernel benchmark: its operation counts, what it skips, and one run from end to end."""

import csv
import dataclasses
import json
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from experiments.speed import kernel, kernel_table, memory, methods, rounds
from experiments.speed import run as speed_run
from experiments.speed.cases import Case, cases
from experiments.speed.error import Reference
from experiments.speed.operations import Layer, floor_operations, layers, num_parameters
from experiments.speed.peers import torch_func_flat, torch_func_layers
from tests.reference import reference_kernel


def test_the_nature_networks_floor_counted_by_hand():
    network, observations, _ = Case("nature", 1).build()
    conv = [20 * 20 * 32 * 256, 9 * 9 * 64 * 512, 7 * 7 * 64 * 576]
    linear = [3136 * 512, 512 * 6]
    per_sample = sum(conv) + sum(linear) + sum(conv[1:]) + sum(linear) + sum(conv)
    gram = 32 * 256 + 64 * 512 + 64 * 576 + 32 + 64 + 64  # weights and biases
    per_pair = gram + 3136 + 512 + 512 + 6
    found = floor_operations(layers(network, observations), num=256)
    assert (found.per_sample, found.per_pair) == (per_sample, per_pair) == (23_152_640, 82_150)
    assert found.total == 256 * per_sample + 256 * 257 // 2 * per_pair
    assert num_parameters(network) == 1_687_206


def test_the_mlps_floor_counted_by_hand():
    network, observations, _ = Case("mlp", 1).build()
    found = floor_operations(layers(network, observations), num=3)
    assert found.per_sample == 8 * 256 + 2 * (256 * 256 + 256 * 4)
    assert found.per_pair == (8 + 256) + (256 + 256) + (256 + 4)


def test_all_actions_share_the_inputs_product():
    layer = Layer(fan_in=3, fan_out=2, positions=1, has_bias=True, has_upstream=True)
    found = floor_operations([layer], num=10, num_outputs=4)
    assert found.per_sample == 6 + 4 * 6  # one forward, four backward passes
    assert found.per_pair == 3 + 16 * 2


def test_a_wide_convolution_with_few_positions_takes_the_product_form():
    layer = Layer(fan_in=900, fan_out=500, positions=2, has_bias=False, has_upstream=False)
    assert floor_operations([layer], num=10).per_pair == 4 * (900 + 500)
    many = dataclasses.replace(layer, positions=50)
    assert floor_operations([many], num=100).per_pair == 900 * 500


def test_layers_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="LayerNorm"):
        layers(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)), torch.zeros(1, 2))


@pytest.mark.parametrize("actions", ["chosen", "all"])
@pytest.mark.parametrize("peer", [torch_func_flat, torch_func_layers])
def test_the_peers_in_torch_agree_with_autograd(peer, actions):
    network, observations, picked = Case("tiny", 5, actions).build()
    network, observations = network.double(), observations.double()
    expected = reference_kernel(network, observations, picked)
    found = peer.kernel(network, observations, picked)
    assert found.shape == ((5, 5) if actions == "chosen" else (5, 3, 5, 3))
    torch.testing.assert_close(found.reshape(expected.shape), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("actions", ["chosen", "all"])
def test_the_error_sees_a_wrong_entry(actions):
    network, observations, picked = Case("tiny", 40, actions).build()
    exact = torch_func_flat.kernel(network.double(), observations.double(), picked)
    reference = Reference.of(network, observations, picked)
    assert reference.relative_error(exact) < 1e-14
    wrong = exact.clone()
    wrong[-1, ..., 0] += 0.25 * reference.rows.abs().max()
    assert reference.relative_error(wrong) == pytest.approx(0.25)
    assert reference.relative_error(exact[..., :2]) == math.inf


def test_why_a_method_is_not_run():
    task = kernel.Task.of(Case("mlp", 8), "cpu")
    flat = next(m for m in methods.METHODS if m.name == "torch.func, flat")

    def why(method, rows=8, rate=10.0, free=16.0, limit=120.0):
        resized = dataclasses.replace(task, shape=(rows, task.shape[1]))
        return kernel.why_not(method, resized, rate, free, limit)

    assert why(flat) == ""
    absent = dataclasses.replace(flat, package="no-such-package-anywhere")
    assert why(absent) == "not installed"
    skipped = "skipped: needs about 14.4 GB, more than 60 % of the 16.0 GB free"
    assert why(flat, rows=20_000, limit=1e9) == skipped
    assert why(flat, rows=20_000, free=100.0).startswith("skipped: would take about 5")


def test_rounds_are_interleaved_and_failures_kept():
    order = []

    def fail():
        raise RuntimeError("first line\nsecond line")

    functions = {"a": lambda: order.append("a"), "b": lambda: order.append("b"), "c": fail}
    times = rounds.interleaved(functions, repeats=3, budget=10, turn=0.0)
    assert order == ["a", "b"] * 3
    assert times["c"].failure == "RuntimeError: first line"
    assert (len(times["a"].wall), len(times["c"].wall)) == (3, 0)


def test_a_slow_function_leaves_the_rounds():
    times = rounds.interleaved({"a": lambda: None}, repeats=9, budget=0.0, turn=0.0)
    assert len(times["a"].wall) == 1


def test_cases_are_nested_and_repeatable():
    small, large = Case("nature", 2).build(), Case("nature", 3).build()
    assert torch.equal(small[1], large[1][:2])
    assert torch.equal(small[2], large[2][:2])
    assert torch.equal(small[0].layers[0].weight, large[0].layers[0].weight)
    assert [case.label for case in cases([64, 256], ["nature", "mlp"])] == [
        "nature N=64",
        "nature N=256",
        "nature N=64, all actions",
        "mlp N=256",
    ]


def test_memory_rises_by_what_is_held():
    # in a fresh process, as the study does: this one may hold freed memory that it takes again
    code = """
import torch
from experiments.speed import high_water
before = high_water.reset_high_water()
held = torch.ones(256 << 20, dtype=torch.uint8)
print(high_water.high_water() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=memory.ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert 0.9 <= float(done.stdout) * 1e6 / (256 << 20) <= 1.1


def test_names_are_checked(capsys):
    assert [m.name for m in methods.find([])] == ["qdiverge", "qdiverge per_sample"]
    with pytest.raises(SystemExit) as stop:
        kernel.main(["--peers", "tensorflow"])
    assert stop.value.code == 2
    assert "expected peers among" in capsys.readouterr().err


def test_a_run_from_end_to_end(tmp_path, capsys):
    flags = ["--sizes", "8", "--networks", "tiny", "mlp", "--threads", "1", "--repeats", "3"]
    flags += ["--turn", "0", "--no-memory", "--out", str(tmp_path), "--peers"]
    threads = torch.get_num_threads()
    try:
        assert kernel.main(flags) == 0
    finally:
        torch.set_num_threads(threads)
    assert "**tiny N=8**" in capsys.readouterr().out
    names = list(kernel_table.COLUMNS)
    with (tmp_path / "kernel-cpu.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == names
    assert len(rows) == 6
    for row in rows:
        assert row["status"] == "measured"
        assert 0.0 <= float(row["error"]) <= 1e-4
        assert 0.0 < float(row["least_ms"]) <= float(row["median_ms"])
        assert row["peak_mb"] == ""
    assert {float(row["ratio"]) for row in rows if row["method"] == "qdiverge"} == {1.0}
    record = json.loads((tmp_path / "kernel-cpu.json").read_text())
    assert {"provenance", "settings", "matrix_rate_gflops", "versions", "load"} <= set(record)
    assert [list(row) for row in record["rows"]] == [names] * 6
    assert (tmp_path / "kernel-cpu.md").read_text().count("| **qdiverge** |") == 3


def test_the_engines_share_and_a_tables_reading_are_timed(tmp_path, capsys):
    arguments = ["--cells", "3", "--seconds", "0.2", "--table-cells", "300"]
    assert speed_run.main(["sweep", *arguments, "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "sweep.json").read_text())
    engine = found["engine"]
    assert 0.299 <= engine["own_s"] <= engine["wall_s"]  # a busy machine wakes its sleepers late
    assert engine["wall_s"] >= engine["start_s"] + 0.4  # two rounds of two workers
    assert found["table"]["cells"] == 300
    assert "over the cells' own time" in capsys.readouterr().out
