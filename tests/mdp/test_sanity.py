"""The sanity table: its arithmetic, its exit status, and (slow) all of it."""

import json

import pytest

from experiments.__main__ import main as experiments
from experiments.sanity import run
from experiments.sanity.check import at_least, at_most, close, crossing, relative, same


def test_checks_pass_and_fail_where_they_should():
    assert close("", 1.05, 1.0, 0.1).passed
    assert not close("", 1.2, 1.0, 0.1).passed
    assert not close("", float("nan"), 1.0, 0.1).passed
    assert relative("", 101.0, 100.0, 0.02).passed
    assert not relative("", 103.0, 100.0, 0.02).passed
    assert at_most("", 1.0, 1.0).passed
    assert not at_most("", float("nan"), 1.0).passed
    assert not at_least("", 0.9, 1.0).passed
    assert not same("", "divergent", "certified").passed


def test_crossing_finds_the_change():
    assert crossing(lambda x: x * x < 2, 0.0, 2.0) == pytest.approx(2**0.5, rel=1e-14)
    with pytest.raises(ValueError, match="nothing changes"):
        crossing(lambda x: True, 0.0, 1.0)


def test_a_failure_is_the_exit_status_and_the_rest_still_runs(monkeypatch, capsys):
    def good():
        """Good."""
        yield same("one", 1, 1)

    def bad():
        """Bad."""
        yield same("two", 2, 3)
        raise RuntimeError("lost")

    monkeypatch.setattr(run, "SECTIONS", (bad, good))
    assert run.main([]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  two: expected 3 (exact), got 2" in printed
    assert "RuntimeError: lost" in printed
    assert "1 passed, 2 failed" in printed
    assert run.main(["--only", "good"]) == 0


def test_bad_usage(capsys):
    assert run.main(["--only", "nothing"]) == 2
    assert "expected sections out of baird" in capsys.readouterr().err
    assert experiments(["sanity", "--nonsense"]) == 2


def test_quick_sections_pass_and_are_written(tmp_path):
    quick = ["averagers", "row_condition", "exact_modulus", "operators", "equicorrelated"]
    path = tmp_path / "table.json"
    assert run.main(["--only", *quick, "--json", str(path)]) == 0
    table = json.loads(path.read_text())
    assert [part["section"] for part in table] == quick
    assert all(check["passed"] is True for part in table for check in part["checks"])


@pytest.mark.slow
def test_every_section_passes():
    assert run.main([]) == 0
