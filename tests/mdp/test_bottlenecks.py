"""The bottleneck study: its oracle, weightings and stacked networks, and that it resumes."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from experiments.__main__ import main
from experiments.bottlenecks import summary, sweep
from experiments.bottlenecks.afm import matched_adversary
from experiments.bottlenecks.cell import DOMAINS, NETWORKS, WEIGHTINGS, Cell
from experiments.bottlenecks.fqi import projection_error, run_cell
from experiments.bottlenecks.networks import StackedNetwork, build
from experiments.bottlenecks.oracle import Oracle
from experiments.bottlenecks.weightings import Weighting, entropy, shift
from qdiverge.mdp import optimal_backup
from qdiverge.mdp.problems import cliffwalk
from qdiverge.runs import provenance
from qdiverge.runs.table import append_row, begin_table

QUICK = {"num_iterations": 3, "num_seeds": 2, "gradient_steps": 5, "num_samples": 16}


def test_a_stacked_network_is_its_seeds_side_by_side():
    stack = StackedNetwork([3, 5, 4, 2], 3)
    x = torch.randn(3, 7, 3)
    for b in range(3):
        layers = []
        for W, c in zip(stack.weights, stack.biases, strict=True):
            layer = nn.Linear(W.shape[1], W.shape[2])
            layer.weight.data, layer.bias.data = W[b].detach().T, c[b, 0].detach()
            layers += [layer, nn.ReLU()]
        expected = nn.Sequential(*layers[:-1])(x[b])
        assert torch.allclose(stack(x)[b], expected, atol=1e-6)


def test_seeds_do_not_depend_on_how_many_there_are():
    few, many = StackedNetwork([3, 4, 2], 2), StackedNetwork([3, 4, 2], 5)
    for one, other in zip(few.parameters, many.parameters, strict=True):
        assert torch.equal(one, other[:2])


def test_the_oracle_backs_up_each_seed_and_rates_the_expert_one():
    oracle = Oracle.of(cliffwalk(6), 0.1)
    q = np.random.default_rng(0).normal(size=(3, 7, 2))
    for b in range(3):
        assert np.allclose(oracle.backup(q)[b], optimal_backup(oracle.mdp, q[b], 0.1))
    rated = oracle.returns(np.stack([oracle.q_star, 0 * oracle.q_star]))
    assert rated == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weightings_are_distributions_over_pairs_that_go_on(name):
    oracle = Oracle.of(cliffwalk(6), 0.1)
    rng = np.random.default_rng(0)
    q, errors = rng.normal(size=(2, 7, 2)), rng.random((2, 7, 2))
    weighting = Weighting(name, oracle)
    for _ in range(2):
        weighting.begin(q)
        rho = weighting(errors, lambda: rng.normal(size=(2, 7, 4)))
    assert rho.shape == q.shape
    assert rho.sum((1, 2)) == pytest.approx([1, 1])
    assert rho[:, -1].max() == 0  # the end
    assert (entropy(rho) <= 1 + 1e-12).all()
    assert (shift(rho, rho) == 0).all()


def test_the_adversary_seeks_errors_and_keeps_the_features():
    rng = np.random.default_rng(1)
    base, errors = rng.dirichlet(np.ones(80)).reshape(40, 2), rng.random((40, 2)) ** 3
    features = rng.normal(size=(40, 3))
    p = matched_adversary(base, errors, features)
    assert p.sum() == pytest.approx(1)
    gain = ((p - base) * errors**2).sum()
    T = np.sqrt((base * (errors**2 - (base * errors**2).sum()) ** 2).sum())
    assert gain > T * (p * np.log(p / base)).sum() > 0  # the base itself would score 0
    assert np.abs((p - base).sum(1) @ features).max() < 1e-4  # of 1,000 seeds at most 1.3e-6
    same = matched_adversary(base, np.ones((40, 2)), features)
    assert np.allclose(same, base)


def test_the_adversary_never_weighs_what_the_base_leaves_out():
    """However large the error there, and however far a Newton step overshoots: 0 · e^800 is 0."""
    base = np.array([[0.5, 0.5 - 1e-13], [1e-13, 0.0]])
    errors, features = np.array([[0.1, 0.2], [0.3, 30.0]]), np.array([[0.0], [1.0]])
    p = matched_adversary(base, errors, features)
    assert p.sum() == pytest.approx(1)
    assert p[1, 1] == 0
    assert (p >= 0).all()


def test_exact_iteration_of_a_table_finds_q_star():
    cell = Cell("test", "cliffwalk", network="tabular", num_iterations=40, num_seeds=1)
    (found,) = run_cell(Cell(**{**vars(cell), "gradient_steps": 150, "learning_rate": 0.05}))
    assert found["fqi_error"] < 0.01
    assert found["returns"] == pytest.approx(1.0, abs=0.02)
    assert not found["diverged"]


@pytest.mark.parametrize(
    "options",
    [
        {"algorithm": "sampled"},
        {"algorithm": "replay", "smoothing": 0.5},
        {"algorithm": "replay", "stopping": "bellman", "gradient_steps": 20},
        {"stopping": "returns", "gradient_steps": 20},
        {"weighting": "afm", "network": "linear"},
    ],
)
def test_runs_repeat_to_the_bit(options):
    cell = Cell("test", "cliffwalk", **{**QUICK, "network": "16x16", **options})
    one, two = run_cell(cell), run_cell(cell)
    assert one == two
    assert len(one) == 2
    assert all(np.isfinite(v) for s in one for v in s.values() if not isinstance(v, list))


def test_a_table_projects_exactly_and_a_line_does_not():
    table = projection_error(Cell("test", "cliffwalk", network="tabular", learning_rate=0.1))
    line = projection_error(Cell("test", "cliffwalk", network="linear", learning_rate=0.1))
    assert max(table) < 1e-3 < min(line)


def test_grids_cover_the_paper_and_keys_are_distinct():
    cells = sweep.full()
    assert {c.domain for c in cells} == set(DOMAINS)
    assert {c.network for c in cells} == set(NETWORKS)
    assert {c.weighting for c in cells} == set(WEIGHTINGS)
    for found in (cells, sweep.reduced()):
        assert len(set(found)) == len(found)
    network, inputs = build("4x4", torch.eye(3), 2, 1)
    assert network(inputs).shape == (1, 3, 2)


def test_a_cell_gives_a_row_and_rows_give_the_tables(tmp_path, capsys):
    table = tmp_path / "table.jsonl"
    begin_table(table, {"study": "bottlenecks", **provenance()})
    for study in ("architectures", "weightings"):
        config = asdict(Cell(study, "cliffwalk", "4x4", **QUICK))
        append_row(table, {"key": study, "config": config, "row": sweep.run(config, tmp_path)})
    assert main(["bottlenecks", "--table", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "projection_error" in printed
    assert "diverged (max|Q| > 10 max|Q*|): 0 of 4 [" in printed


def test_correlations_take_the_domain_out():
    def record(domain, entropy_, returns):
        measures = {"entropy": entropy_, "shift": 0.1 * returns, "returns": returns}
        return {"study": "weightings", "domain": domain} | measures

    found = [record("a", 0.1, 5.0), record("a", 0.2, 6.0), record("b", 0.8, 0.0)]
    found += [record("b", 0.9, 1.0), record("a", 0.3, 7.0)]
    assert summary.correlations(found)["entropy"][0] > 0.9
