"""The committed table of the audit's study holds what its README says."""

import pytest

from experiments.audit.bugs import BUGS, codes_of, leaves_no_trace
from experiments.audit.loops import Loop
from experiments.audit.networks import ARCHITECTURES
from experiments.audit.real import OPERATORS, SUBJECTS, has
from experiments.tables import read

RECORDS = read("audit").records()


def of(kind):
    return [r for r in RECORDS if r["kind"] == kind]


def test_no_sound_loop_is_called_otherwise():
    assert {r["subject"] for r in of("sound")} == set(ARCHITECTURES)
    assert sum(r["looked_at"] for r in of("sound")) >= 1000
    assert [r for r in of("sound") if r["false"]] == []
    assert max(r["nearest_to_its_limit"] for r in of("sound")) < 0.1


def test_every_planted_bug_is_named_at_both_sizes_and_nothing_else():
    cells = {(r["subject"], r["num_rows"]): r for r in of("bug")}
    assert set(cells) == {(bug, size) for bug in BUGS for size in (32, 128)}
    for (bug, size), r in cells.items():
        assert r["named"] >= 0.99 * r["looked_at"] >= 0.9 * (r["looked_at"] + r["no_trace"]), bug
        assert sum(r["also"].values()) <= 0.01 * r["looked_at"], (bug, size)


def test_every_operator_is_injected_into_every_loop_that_has_it_and_a_sound_one_is_let_alone():
    cells = {(r["subject"], r["operator"]): r for r in of("real")}
    assert set(cells) == {(s, o) for s in SUBJECTS for o in OPERATORS if has(s, o)}
    for subject in SUBJECTS:
        assert not cells[subject, "none"]["in_updates"] + cells[subject, "none"]["in_replay"]
        assert "discount_differs" in cells[subject, "wrong γ"]["in_updates"]
        assert cells[subject, "target never copied"]["in_updates"] == ["target_never_moves"]


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_bug_that_changes_nothing_leaves_no_trace(is_moved):
    loop, bug = Loop("mlp", seed=3), BUGS["rewards clipped"]
    if not is_moved:
        loop.shown["rewards"] *= 0.1
    codes = codes_of(loop, bug)
    assert leaves_no_trace(loop, bug) is not is_moved
    assert codes == (["rewards_differ"] if is_moved else [])
