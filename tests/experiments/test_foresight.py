"""The foresight study: labels, splits, scores, no leak from the test split, one tiny run."""

import gzip
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from experiments.foresight import corpus
from experiments.foresight.alarms import report
from experiments.foresight.cell import Cell
from experiments.foresight.corpus import as_run
from experiments.foresight.draw import draw
from experiments.foresight.moments import SCORES, moments_of
from experiments.foresight.networks import QNetwork
from experiments.foresight.outcomes import outcome
from experiments.foresight.recorder import EVERY, FULL_EVERY
from experiments.foresight.rules import NEEDS, replay, with_values
from experiments.foresight.scoring import auroc, by_runs, threshold_at
from experiments.foresight.sweep import DEAR, LIGHT
from qdiverge.errors import RunFolderError
from qdiverge.monitor.rules.thresholds import THRESHOLDS

CELL = Cell(
    split="train", problem="maze", seed=3, width=16, depth=1, activation="tanh", layer_norm=False,
    optimizer="adam", relative_step=0.1, loss="mse", batch_size=16, discount=0.9,
    bootstrap="target_q", target_period=7, polyak=None, n_step=1, prioritized=False,
    buffer_size=200, offline=False, coverage=1.0, num_updates=50,
)  # fmt: skip


def line(sizes, cell=CELL, key="a", is_cut=False, noise=0):
    """A row of the table with a given course of max|Q|; all else is constant or noise."""
    rng = np.random.default_rng(noise)
    length = len(sizes)
    dear = length * EVERY // FULL_EVERY
    light = {name: rng.random(length).tolist() for name in LIGHT}
    light["q_abs_max"] = list(map(float, sizes))
    light["td_error_abs_mean"] = [float(size) / 2 for size in sizes]
    row = {
        "num_updates": length * EVERY,
        "learning_rate": 0.01,
        "is_cut": is_cut,
        "cpu_seconds": 1.0,
        "measuring_share": 0.4,
        "light": light,
        "dear": {name: rng.random(dear).tolist() for name in DEAR},
    }
    return {"key": key, "config": asdict(cell), "row": row, "commit": None}


def grows(rate, length=100, start=0.1):
    return start * np.exp(rate * EVERY * np.arange(1, length + 1))


@pytest.mark.parametrize(
    ("sizes", "options", "name", "blow_up"),
    [
        ([1, 2, 3, 4, 5, 6], {}, "healthy", None),
        ([1, 11, 12, 13, 14, 15], {}, "soft", 10),
        ([1, 11, 1, 1, 1, 1, 1, 1], {}, "recovery", 10),
        ([1, 11, 1, 1, 1, 1, 1, 12], {}, "soft", 10),
        ([1, 11, 1001], {}, "unbounded", 10),
        ([1, 2, float("nan")], {}, "unbounded", 15),
        ([1, 2], {"is_cut": True, "num_updates": 13}, "unbounded", 13),
        ([], {"is_cut": True, "num_updates": 4}, "unbounded", 4),
        ([1, 1, 1], {"srank": [9, 2, 2, 2]}, "collapse", None),
        ([1, 1, 1], {"srank": [4, 2, 2, 2]}, "healthy", None),
        ([1, 1, 1], {"dead_units": [0.1, 0.9, 0.95, 1.0]}, "collapse", None),
    ],
)
def test_outcomes_on_made_up_series(sizes, options, name, blow_up):
    updates = EVERY * np.arange(1, len(sizes) + 1)
    found = outcome(updates, sizes, 10.0, **options)
    assert (found.name, found.blow_up) == (name, blow_up)


@pytest.mark.parametrize("is_full", [False, True])
def test_no_test_run_shares_problem_or_network_with_training(is_full):
    cells = draw(is_full)
    sides = [[c for c in cells if c.split == split] for split in corpus.SPLITS]
    for what in ("problem", "network"):
        train, test = ({getattr(cell, what) for cell in side} for side in sides)
        assert train
        assert test
        assert not train & test
    assert len({json.dumps(asdict(cell)) for cell in cells}) == len(cells)


def test_the_reduced_corpus_is_drawn_like_the_full_one():
    full = draw(is_full=True)
    assert set(draw(is_full=False)) < set(full)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    scores, happens = rng.integers(0, 6, 60).astype(float), rng.random(60) < 0.3
    scores[:5] = np.nan
    known = np.where(np.isnan(scores), -np.inf, scores)
    pairs = [(p > n) + 0.5 * (p == n) for p in known[happens] for n in known[~happens]]
    assert auroc(scores, happens) == pytest.approx(np.mean(pairs))
    assert np.isnan(auroc(scores, np.zeros(60, dtype=bool)))


def test_the_interval_resamples_runs_and_not_moments():
    scores = np.repeat([0.0, 1.0, 0.2, 0.9], 50)  # four runs, fifty equal moments each
    run, happens = np.repeat(np.arange(4), 50), np.repeat([False, True, False, True], 50)
    flipped = happens ^ (run == 0)
    low, high = by_runs(lambda index: auroc(scores[index], flipped[index]), run)
    assert high - low > 0.3  # of moments it would be a few hundredths


def test_a_threshold_allows_its_share_of_false_alarms_and_no_lower_one_does():
    rng = np.random.default_rng(1)
    run, scores = np.repeat(np.arange(40), 5), rng.random(200)
    is_safe = np.arange(40) < 30
    limit = threshold_at(scores, run, is_safe, 0.1)
    most = np.array([scores[run == each].max() for each in range(30)])
    assert (most > limit).sum() == 3
    assert (most >= limit).sum() == 4


def test_a_moment_knows_nothing_of_what_comes_after_it():
    sizes = grows(0.003)
    changed = sizes.copy()
    changed[60:] = 5.0
    before, after = (moments_of([as_run(line(each))]) for each in (sizes, changed))
    early = before.update <= 60 * EVERY
    for name in SCORES:
        np.testing.assert_array_equal(before.scores[name][early], after.scores[name][: early.sum()])


def test_questions_beyond_the_end_of_a_sound_run_are_not_asked():
    sound, diverging = as_run(line(np.full(20, 1.0))), as_run(line(grows(0.06, 20)))
    seen = moments_of([sound, diverging])
    asked, happens = seen.within(60)
    assert asked[seen.run == 0].tolist() == (seen.update[seen.run == 0] + 60 <= 100).tolist()
    blow_up = diverging.outcome.blow_up
    assert (happens[seen.run == 1] == (seen.update[seen.run == 1] + 60 >= blow_up)).all()
    assert (seen.update[seen.run == 1] < blow_up).all()


def test_alarms_are_judged_by_whole_runs():
    runs = [as_run(line(grows(0.02))), as_run(line(np.ones(100))), as_run(line(grows(0.02)))]
    blow_up = runs[0].outcome.blow_up
    assert blow_up is not None
    found = report(runs, {0: blow_up - 100, 1: 50, 2: blow_up})  # the last comes too late
    assert (found.caught.count, found.caught.total) == (1, 2)
    assert (found.false_alarms.count, found.false_alarms.total) == (1, 1)
    assert found.precision.value == 0.5
    assert found.leads == (pytest.approx(100 / blow_up), 0.0)


def test_rules_are_replayed_by_the_thresholds_asked_for():
    run = as_run(line(grows(0.01)))
    fired = replay(run)["runaway_growth"]
    assert 0 < fired < run.outcome.blow_up
    assert "runaway_growth" not in replay(run, with_values({"growth.num_points": 10_000}))


def test_the_corpus_holds_what_the_rules_read():
    assert {*LIGHT, *DEAR} >= NEEDS, "a rule that reads other metrics is silent on the corpus"


def test_the_monitor_has_the_thresholds_that_the_training_split_set():
    committed = json.loads((corpus.RESULTS / "thresholds.json").read_text())
    assert committed["corpus"]["sha256"] == corpus.digest("train")
    assert with_values(committed["rules"]["constants"]) == THRESHOLDS


def test_the_committed_corpus_is_the_one_that_is_drawn():
    cells = {run.cell for split in corpus.SPLITS for run in corpus.load(split)[1]}
    assert cells == set(draw(is_full=False))


def write_split(folder, split, lines):
    text = "\n".join(json.dumps(each) for each in [{"schema": 1, "commit": "x"}, *lines])
    corpus.file(split, folder).write_bytes(gzip.compress(text.encode(), mtime=0))


def make_corpus(folder, seed=0):
    rng = np.random.default_rng(seed)
    for split in corpus.SPLITS:
        lines = []
        for index in range(6):
            problem = ("maze", "cartpole", "breakout")[index % 3]
            cell = replace(CELL, split=split, problem=problem, seed=index)
            sizes = grows(rng.uniform(0.01, 0.02)) if index % 2 else rng.uniform(0.5, 1, 100)
            lines.append(line(sizes, cell, key=f"{split}{index}", noise=index))
        write_split(folder, split, lines)


def test_thresholds_do_not_depend_on_the_test_split(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    from experiments.foresight import fit as fitting

    monkeypatch.setattr(fitting, "CANDIDATES", {"growth.num_points": (5,)})
    make_corpus(tmp_path)
    first = fitting.fit(tmp_path)
    corpus.file("test", tmp_path).unlink()
    second = fitting.fit(tmp_path)
    assert first.pop("provenance").keys() == second.pop("provenance").keys()
    assert first == second


def test_the_test_split_is_not_opened_before_thresholds_are_set(tmp_path):
    from experiments.foresight.evaluate import evaluate, read_thresholds

    make_corpus(tmp_path)
    with pytest.raises(RunFolderError, match="foresight fit"):
        evaluate(tmp_path)
    stale = {"corpus": {"sha256": "of another corpus"}}
    (tmp_path / "thresholds.json").write_text(json.dumps(stale))
    with pytest.raises(RunFolderError, match="those of this training split"):
        read_thresholds(tmp_path)


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("problem", ["maze", "cartpole", "freeway"])
def test_in_an_online_cell_the_network_that_acts_is_the_one_that_learns(problem, action):
    from experiments.foresight import training

    trainer = training.make_trainer(replace(CELL, problem=problem))
    trainer.close()
    output = trainer.q_network.layers[-1]
    with torch.no_grad():
        for weight in output.parameters():
            weight.zero_()
        output.bias[action] = 1.0
    shape = (200, *trainer.environments.shape)
    observations = np.random.default_rng(0).integers(0, 2, shape).astype(trainer.environments.dtype)
    actions = trainer.behaviour.actions(observations, 10_000)
    assert (actions == action).mean() > 0.8  # ε is 0.05 then
    assert isinstance(trainer.q_network, QNetwork)


def test_a_tiny_run_is_measured_as_a_monitor_does_and_changed_by_nobody(tmp_path):
    import qdiverge as qd
    from experiments.foresight import training
    from experiments.foresight.recorder import PROBE_SIZE

    cell = replace(CELL, num_updates=FULL_EVERY)
    trained = training.train(cell)
    trainer = training.make_trainer(cell)
    trainer.optimizer.param_groups[0]["lr"] = trained.recorder.subject.learning_rate
    with qd.attach(
        trainer.q_network, target=trainer.target_network, optimizer=trainer.optimizer,
        discount=cell.discount, loss="half_squared", bootstrap=cell.bootstrap, reward_bound=1.0,
        every=EVERY, cost="full", max_overhead=None, probe_size=PROBE_SIZE, out=tmp_path / "run",
    ) as monitor:  # fmt: skip
        trainer.transform_batch = monitor.batch
        list(trainer.run())
    series = trained.recorder.series
    assert monitor.num_updates == trained.recorder.num_updates >= FULL_EVERY
    logged = qd.load_run(tmp_path / "run").series
    shared = [name for name in (*LIGHT, *DEAR) if f"diverge/{name}" in logged and name in series]
    assert len(shared) > 25
    for name in shared:
        theirs = logged[f"diverge/{name}"]
        at = {int(u): v for u, v in zip(*series[name], strict=True)}
        for update, value in zip(theirs.steps, theirs.values, strict=True):
            if update in at:
                assert at[update] == pytest.approx(value, rel=1e-3, abs=1e-6), (name, update)
        assert FULL_EVERY in at
    ours, others = (each.q_network.state_dict() for each in (trained.trainer, trainer))
    assert all((ours[name] == others[name]).all() for name in ours)
